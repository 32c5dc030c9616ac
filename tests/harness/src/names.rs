//! What cluster DNS and kube-proxy know: which addresses a Service's name leads to at the moment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::ModelClient;
use crate::paths;
use crate::process::Running;

/// How late a reader may learn of a new pod address: less than cluster DNS would take.
const PERIOD: Duration = Duration::from_millis(200);

/// A file of names and addresses, kept up to date until the value ends.
#[derive(Debug)]
pub struct Names {
    file: PathBuf,
    ended: Arc<AtomicBool>,
    _dir: tempfile::TempDir,
}

impl Names {
    /// Of these Services, by `name.namespace.svc.cluster.local:port`.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn follow(services: BTreeMap<String, ModelClient>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("names");
        write(&file, &services).expect("a fresh directory is writable");
        let ended = Arc::new(AtomicBool::new(false));
        let (following, has_ended) = (file.clone(), Arc::clone(&ended));
        std::thread::spawn(move || {
            while !has_ended.load(Ordering::Relaxed) && write(&following, &services).is_ok() {
                std::thread::sleep(PERIOD);
            }
        });
        Self { file, ended, _dir: dir }
    }

    /// Where they are: a line `NAME=ADDRESS:PORT` for each.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Renamed into place, so that nobody ever reads half a file.
fn write(file: &Path, services: &BTreeMap<String, ModelClient>) -> std::io::Result<()> {
    let lines: Vec<String> = services
        .iter()
        .flat_map(|(name, client)| client.endpoints().into_iter().map(move |at| format!("{name}={at}\n")))
        .collect();
    let temporary = file.with_extension("new");
    std::fs::write(&temporary, lines.concat())?;
    std::fs::rename(&temporary, file)
}

/// An HTTP proxy for programs that know only names of the cluster.
#[derive(Debug)]
pub struct NameProxy {
    address: String,
    _running: Running,
}

impl NameProxy {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(names: &Names) -> Self {
        let (running, address) = Running::announced(Command::new(paths::built("cluster-names")).arg(names.file()));
        Self {
            address,
            _running: running,
        }
    }

    /// For the variable `http_proxy`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
