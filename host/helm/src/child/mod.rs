//! The helm binary as a child process.
//!
//! Helm installs no signal handler for `helm rollback` (only for install and upgrade), so a signal kills it half way and
//! leaves a `pending-rollback` record. The child therefore runs in its own process group, where a Ctrl-C at our terminal
//! does not reach it.

mod arguments;
mod capability;
mod environment;
mod find;
mod process;
mod stderr;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::OnceCell;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::{HelmInfo, ReleaseRef, RollbackOrder};

pub use arguments::rollback_arguments;
pub use environment::Connection;
pub use find::find_helm;
pub use process::{ChildError, ChildExit};
pub(crate) use stderr::explain;

/// Place to look for helm, and its way to the cluster.
#[derive(Debug)]
pub struct HelmBinary {
    /// `HELM_BIN`: a path, relative ones included, or a bare name. Empty means unset.
    pub bin: Option<OsString>,
    /// `PATH`.
    pub search: Option<OsString>,
    /// The directory that a relative `HELM_BIN` is meant from.
    pub directory: PathBuf,
    /// Way to the cluster.
    pub connection: Connection,
    info: OnceCell<(PathBuf, HelmInfo)>,
}

impl HelmBinary {
    /// Reads `HELM_BIN` and `PATH` from this process's environment.
    pub fn from_env(connection: Connection) -> Self {
        Self::new(
            std::env::var_os("HELM_BIN"),
            std::env::var_os("PATH"),
            std::env::current_dir().unwrap_or_default(),
            connection,
        )
    }

    /// As said.
    pub fn new(bin: Option<OsString>, search: Option<OsString>, directory: PathBuf, connection: Connection) -> Self {
        Self {
            bin,
            search,
            directory,
            connection,
            info: OnceCell::new(),
        }
    }

    /// Path and features of the binary, by the text of its help. Asked once.
    ///
    /// # Errors
    /// `NotFound` without a binary, `External` when it does not answer as helm does, `Refused` for an unknown major.
    pub async fn info(&self) -> Result<HelmInfo, Failure> {
        self.located().await.map(|(_, info)| info.clone())
    }

    async fn located(&self) -> Result<&(PathBuf, HelmInfo), Failure> {
        self.info
            .get_or_try_init(|| async {
                let path = find_helm(self.bin.as_deref(), self.search.as_deref(), &self.directory)?;
                let info = capability::ask(&path, &self.connection).await?;
                Ok((path, info))
            })
            .await
    }

    /// Runs `helm rollback` to its end or to the order's timeout. What it did is to be read from the cluster.
    ///
    /// When this future is dropped, the child goes on by itself, and so it does when this process dies: killing it would
    /// leave a `pending-rollback` record. Nobody enforces the timeout then, besides helm's own.
    ///
    /// # Errors
    /// `NotStarted` as [`HelmBinary::info`], with `Usage` or `Refused` for an order that helm cannot be given, and with
    /// `External` when the process cannot be started; `Lost` when it ran and its end was not seen.
    pub async fn rollback(&self, release: &ReleaseRef, order: &RollbackOrder) -> Result<ChildExit, ChildError> {
        let (path, info) = self.located().await?;
        let arguments = rollback_arguments(release, order, info)?;
        let command = self.connection.command(path, &release.namespace, &arguments);
        let deadline = Duration::from_millis(order.timeout_ms);
        tracing::debug!(helm = %path.display(), ?arguments, "running helm");
        process::run(path, command, deadline, self.connection.token()).await
    }
}
