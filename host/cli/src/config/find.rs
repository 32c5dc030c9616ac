//! Search for the configuration file.

use std::path::{Path, PathBuf};

use vllm_rollback_settings::Env;

/// The file's name in the working directory.
const NAME: &str = "vllm-rollback.yaml";

/// Searches `--config`, `VLLM_ROLLBACK_CONFIG`, the working directory, the user's configuration directory, in this order.
/// A file that is named by the first two must exist, so its path is returned unchecked; of the others the first that
/// exists, or none.
pub(crate) fn file(flag: Option<&Path>, env: &Env, working_directory: &Path) -> Option<PathBuf> {
    let here = working_directory.join(NAME);
    let user = env
        .xdg("XDG_CONFIG_HOME", ".config")
        .map(|directory| directory.join("vllm-rollback").join(NAME));
    flag.map(Path::to_owned)
        .or_else(|| env.get("VLLM_ROLLBACK_CONFIG").map(PathBuf::from))
        .or_else(|| std::iter::once(here).chain(user).find(|path| path.exists()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_beats_the_variable_which_beats_the_directories() {
        let here = Path::new("/nowhere");
        let env = Env::from([("VLLM_ROLLBACK_CONFIG", "/env.yaml")]);
        assert_eq!(
            file(Some(Path::new("/flag.yaml")), &env, here),
            Some("/flag.yaml".into())
        );
        assert_eq!(file(None, &env, here), Some("/env.yaml".into()));
        assert_eq!(file(None, &Env::default(), here), None);
    }

    #[test]
    fn the_working_directory_beats_the_users_directory() {
        let directory = tempfile::tempdir().unwrap();
        let (here, user) = (directory.path().join("here"), directory.path().join("user"));
        for at in [&here, &user.join("vllm-rollback")] {
            std::fs::create_dir_all(at).unwrap();
            std::fs::write(at.join(NAME), "").unwrap();
        }
        let env = Env::from([("XDG_CONFIG_HOME", user.to_str().unwrap())]);
        assert_eq!(file(None, &env, &here), Some(here.join(NAME)));
        assert_eq!(
            file(None, &env, directory.path()),
            Some(user.join("vllm-rollback").join(NAME))
        );
    }
}
