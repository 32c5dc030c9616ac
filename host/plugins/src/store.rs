//! Compiled components, kept between runs.
//!
//! # Why loading machine code from a file can be defended
//! `Component::deserialize_file` is `unsafe` because the bytes become code of this process. wasmtime rejects a file of another
//! version, target or configuration, and one that is truncated; it cannot notice flipped bits. So the files must be ours:
//!
//! * only this tool writes them, from what its own compiler gave; nothing that an operator names is ever loaded as code;
//! * the directory is `0700`, and directory and file must belong to the user who runs the tool and be writable by nobody else,
//!   and the file must be an ordinary one with one name: no link. Who can write it then can replace the tool as well;
//! * it is opened relative to the open directory and checked on the open file, and *that* file is mapped: nothing can be
//!   exchanged between check and use;
//! * it is written under another name, synced, and renamed, so a crash leaves no half file. It is never written again.
//!
//! The name holds the SHA-256 of the component and a hash of everything that decides whether code fits: tool and wasmtime
//! version, target, CPU features and settings. A file that does not load is compiled again. Files are not hashed on each start:
//! that would protect against nobody who can write them, and costs more than loading.

use std::hash::Hash;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use vllm_rollback_objects::hex::hex;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiled components older than this are thrown away when a new one is written.
const KEEP: Duration = Duration::from_secs(90 * 24 * 3600);

/// Reason why the store or a file in it is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0} belongs to another user")]
    Owner(PathBuf),
    #[error("{0} can be written by other users")]
    Writable(PathBuf),
    #[error("{0} is a link or no ordinary file")]
    Kind(PathBuf),
    #[error("it does not load: {0}")]
    Load(String),
}

/// A directory of compiled components that fit this engine.
#[derive(Debug)]
pub(crate) struct Store {
    dir: Dir,
    path: PathBuf,
    fit: String,
}

impl Store {
    /// Opens `<cache>/compiled`, and makes it when it is not there.
    pub(crate) fn open(cache: &Path, engine: &Engine) -> Result<Self, StoreError> {
        let path = cache.join("compiled");
        std::fs::create_dir_all(cache)?;
        let above = Dir::open_ambient_dir(cache, ambient_authority())?;
        match above.create_dir_with("compiled", DirBuilder::new().mode(0o700)) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        if above.symlink_metadata("compiled")?.is_symlink() {
            return Err(StoreError::Kind(path));
        }
        let dir = above.open_dir("compiled")?;
        ours_alone(&dir.dir_metadata()?, &path)?;
        Ok(Self {
            dir,
            path,
            fit: fit(engine),
        })
    }

    /// The component with this digest, when it is there and fits.
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Result<Component, StoreError> {
        let name = self.name(digest);
        let path = self.path.join(&name);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let file = self
            .dir
            .open_with(&name, &options)
            .map_err(|error| match error.raw_os_error() {
                Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => StoreError::Kind(path.clone()),
                _ => error.into(),
            })?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.nlink() != 1 {
            return Err(StoreError::Kind(path));
        }
        ours_alone(&metadata, &path)?;
        map(engine, &file).map_err(|error| StoreError::Load(error.root_cause().to_string()))
    }

    /// Keeps what the compiler gave.
    pub(crate) fn keep(&self, digest: &str, code: &[u8]) -> Result<(), StoreError> {
        let name = self.name(digest);
        let temporary = format!("{name}.{}.tmp", std::process::id());
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = self.dir.open_with(&temporary, &options)?;
        file.write_all(code)?;
        file.sync_all()?;
        self.dir.rename(&temporary, &self.dir, &name)?;
        self.prune()?;
        Ok(())
    }

    fn prune(&self) -> Result<(), StoreError> {
        let Some(oldest) = SystemTime::now().checked_sub(KEEP) else {
            return Ok(());
        };
        for entry in self.dir.entries()? {
            let entry = entry?;
            if entry.metadata()?.modified()?.into_std() < oldest {
                self.dir.remove_file(entry.file_name())?;
            }
        }
        Ok(())
    }

    fn name(&self, digest: &str) -> String {
        format!("{digest}-{}.cwasm", self.fit)
    }
}

fn ours_alone(metadata: &Metadata, path: &Path) -> Result<(), StoreError> {
    if metadata.uid() != geteuid().as_raw() {
        return Err(StoreError::Owner(path.to_owned()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(StoreError::Writable(path.to_owned()));
    }
    Ok(())
}

/// Loads machine code that the compiler just gave.
pub(crate) fn load_fresh(engine: &Engine, code: &[u8]) -> Result<Component, StoreError> {
    // SAFETY: the bytes come from this tool's own compiler, over a pipe that nobody else holds.
    #[allow(unsafe_code)]
    let component = unsafe { Component::deserialize(engine, code) };
    component.map_err(|error| StoreError::Load(error.root_cause().to_string()))
}

/// Maps the open file, not whatever its path leads to by now.
fn map(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    let path = PathBuf::from(format!("/dev/fd/{}", file.as_raw_fd()));
    // SAFETY: `Store::load` checked on this open file that only the user who runs the tool can have written it; see above.
    #[allow(unsafe_code)]
    unsafe {
        Component::deserialize_file(engine, path)
    }
}

/// Everything besides the component that decides whether code fits.
fn fit(engine: &Engine) -> String {
    let mut hasher = Sha256Hasher(Sha256::new());
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    std::env::consts::ARCH.hash(&mut hasher);
    // wasmtime's version, compiler settings, detected CPU features.
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hex(&hasher.0.finalize()[..16])
}

/// SHA-256 of a component, as its files and reports name it.
pub(crate) fn digest(wasm: &[u8]) -> String {
    hex(&Sha256::digest(wasm))
}

/// The standard library's hasher may change from release to release; file names should not.
struct Sha256Hasher(Sha256);

impl std::hash::Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Place {
        cache: tempfile::TempDir,
        engine: Engine,
        digest: String,
    }

    impl Place {
        fn new() -> Self {
            Self {
                cache: tempfile::tempdir().unwrap(),
                engine: crate::sandbox::engine().unwrap(),
                digest: digest(b"(component)"),
            }
        }

        fn open(&self) -> Result<Store, StoreError> {
            Store::open(self.cache.path(), &self.engine)
        }

        /// Keeps a component and gives the path of its file.
        fn keep(&self) -> PathBuf {
            let code = self
                .engine
                .precompile_component(&wat::parse_str("(component)").unwrap())
                .unwrap();
            let store = self.open().unwrap();
            store.keep(&self.digest, &code).unwrap();
            store.path.join(store.name(&self.digest))
        }

        fn load(&self) -> Result<Component, StoreError> {
            self.open()?.load(&self.engine, &self.digest)
        }
    }

    #[test]
    fn what_was_kept_is_loaded_and_nobody_else_can_read_or_write_it() {
        let place = Place::new();
        assert!(matches!(place.load(), Err(StoreError::Io(_))));
        let file = place.keep();
        assert!(place.load().is_ok());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        let left: Vec<_> = std::fs::read_dir(file.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file stays");
    }

    #[test]
    fn a_truncated_foreign_or_garbled_file_does_not_load() {
        let place = Place::new();
        let file = place.keep();
        let whole = std::fs::read(&file).unwrap();
        let elf = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for bytes in [&whole[..whole.len() / 2], &whole[..100], b"", b"hello", &elf[..4096]] {
            std::fs::write(&file, bytes).unwrap();
            assert!(
                matches!(place.load(), Err(StoreError::Load(_))),
                "{} bytes",
                bytes.len()
            );
        }
    }

    #[test]
    fn code_of_another_engine_does_not_load() {
        let place = Place::new();
        let file = place.keep();
        let other = Engine::new(wasmtime::Config::new().epoch_interruption(false)).unwrap();
        std::fs::write(
            &file,
            other
                .precompile_component(&wat::parse_str("(component)").unwrap())
                .unwrap(),
        )
        .unwrap();
        assert!(matches!(place.load(), Err(StoreError::Load(_))));
        assert_ne!(fit(&place.engine), fit(&other));
    }

    #[test]
    fn a_file_or_directory_that_others_can_write_is_not_used() {
        let place = Place::new();
        let file = place.keep();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o620)).unwrap();
        assert!(matches!(place.load(), Err(StoreError::Writable(_))));
        std::fs::set_permissions(file.parent().unwrap(), PermissionsExt::from_mode(0o777)).unwrap();
        assert!(matches!(place.open(), Err(StoreError::Writable(_))));
    }

    #[test]
    fn a_link_is_not_followed() {
        let place = Place::new();
        let file = place.keep();
        let elsewhere = place.cache.path().join("elsewhere");
        std::fs::rename(&file, &elsewhere).unwrap();
        symlink(&elsewhere, &file).unwrap();
        assert!(matches!(place.load(), Err(StoreError::Kind(_))));
        std::fs::remove_file(&file).unwrap();
        std::fs::hard_link(&elsewhere, &file).unwrap();
        assert!(matches!(place.load(), Err(StoreError::Kind(_))));
        let real = place.cache.path().join("real");
        std::fs::rename(file.parent().unwrap(), &real).unwrap();
        symlink(&real, file.parent().unwrap()).unwrap();
        assert!(matches!(place.open(), Err(StoreError::Kind(_))));
    }

    #[test]
    fn old_files_go_when_a_new_one_is_written() {
        let place = Place::new();
        let file = place.keep();
        let old = file.with_extension("old");
        std::fs::write(&old, "").unwrap();
        let long_ago = SystemTime::now() - KEEP - Duration::from_secs(60);
        std::fs::File::options()
            .write(true)
            .open(&old)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        place.keep();
        assert!(!old.exists() && file.exists());
    }
}
