//! The directory of a release's journals on this machine.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_settings::Env;

/// The directory of a release's journals. It is made, private to the user, when the first record is written.
#[derive(Debug, Clone)]
pub(crate) struct JournalDir {
    /// The tool's own directory: `$XDG_STATE_HOME/vllm-rollback`.
    root: PathBuf,
    /// `<root>/<cluster>/<namespace>/<release>`.
    pub(crate) directory: PathBuf,
    /// Warning for the operator, where the directory may not outlive a reboot.
    pub(crate) warning: Option<String>,
}

impl JournalDir {
    /// Finds it. `cluster` tells clusters apart: the UID of kube-system.
    pub(crate) fn find(env: &Env, cluster: &str, release: &ReleaseRef) -> Self {
        let (root, warning) = match env.xdg("XDG_STATE_HOME", ".local/state") {
            Some(state) => (state.join("vllm-rollback"), None),
            None => {
                let root = std::env::temp_dir().join(format!("vllm-rollback-{}", rustix::process::getuid().as_raw()));
                let warning = format!(
                    "neither XDG_STATE_HOME nor HOME is set: the journal is kept in {}, which may not outlive a reboot",
                    root.display()
                );
                (root, Some(warning))
            }
        };
        let directory = [cluster, &release.namespace, &release.name]
            .iter()
            .fold(root.clone(), |path, part| path.join(component(part)));
        Self {
            root,
            directory,
            warning,
        }
    }

    /// A directory that is there.
    #[cfg(test)]
    pub(crate) fn at(directory: &Path) -> Self {
        Self {
            root: directory.to_owned(),
            directory: directory.to_owned(),
            warning: None,
        }
    }

    /// Opens it; made with mode 0700 where it is not there. All files in it are opened through this handle, so that
    /// neither a name nor a link leads elsewhere.
    ///
    /// # Errors
    /// When it cannot be made, or others own it: without a journal no run begins.
    pub(crate) fn make(&self) -> Result<Dir, Failure> {
        let unusable = |path: &Path| {
            Failure::refused(format!("the journal cannot be kept in {}", path.display()))
                .next("export XDG_STATE_HOME=… to a directory that is yours and has room")
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(|error| unusable(&self.directory).caused_by(&error))?;
        let root = &self.root;
        let meta = rustix::fs::stat(root).map_err(|error| unusable(root).caused_by(&error))?;
        if meta.st_uid != rustix::process::getuid().as_raw() {
            return Err(unusable(root).because("it belongs to another user"));
        }
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o700))
            .map_err(|error| unusable(root).caused_by(&error))?;
        Dir::open_ambient_dir(&self.directory, ambient_authority())
            .map_err(|error| unusable(&self.directory).caused_by(&error))
    }

    /// The content of a file in it; none where it is not there. Makes nothing.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(crate) fn read(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        let read = Dir::open_ambient_dir(&self.directory, ambient_authority()).and_then(|dir| dir.read(name));
        match read {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// One path component out of a word that a server may have written.
pub(crate) fn component(word: &str) -> String {
    let clean: String = word
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
                c
            } else {
                '_'
            }
        })
        .collect();
    match clean.trim_start_matches('.') {
        "" => "_".to_owned(),
        rest => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> ReleaseRef {
        ReleaseRef {
            namespace: "prod".into(),
            name: "llama".into(),
        }
    }

    #[test]
    fn each_release_of_each_cluster_has_its_own_private_directory() {
        let home = tempfile::tempdir().unwrap();
        let env = Env::from([("XDG_STATE_HOME", home.path().to_str().unwrap())]);
        let place = JournalDir::find(&env, "uid-1", &release());
        place.make().unwrap();
        assert_eq!(place.directory, home.path().join("vllm-rollback/uid-1/prod/llama"));
        let mode = std::fs::metadata(home.path().join("vllm-rollback"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(place.warning, None);
    }

    #[test]
    fn looking_makes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let env = Env::from([("XDG_STATE_HOME", home.path().to_str().unwrap())]);
        JournalDir::find(&env, "uid-1", &release());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn without_a_home_the_place_is_temporary_and_said_to_be() {
        let place = JournalDir::find(&Env::default(), "uid", &release());
        assert!(place.warning.unwrap().contains("may not outlive a reboot"));
    }

    #[test]
    fn a_word_of_a_server_cannot_leave_the_directory() {
        assert_eq!(component("../../etc"), "_.._etc");
        assert_eq!(component(".."), "_");
        assert_eq!(component("a/b"), "a_b");
    }

    #[test]
    fn a_place_that_cannot_be_made_is_refused_with_what_to_do() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let env = Env::from([("XDG_STATE_HOME", file.path().to_str().unwrap())]);
        let failure = JournalDir::find(&env, "uid", &release()).make().unwrap_err();
        assert!(failure.next[0].contains("XDG_STATE_HOME"), "{failure:?}");
    }
}
