//! A real control plane and a real kubelet on loopback.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;

use crate::api::Api;
use crate::kubectl::Kubectl;
use crate::paths;
use crate::process::Running;

/// What the test bed says of itself once it is ready.
#[derive(Debug, Deserialize)]
struct Announcement {
    kubeconfig: PathBuf,
    server: String,
    ca_file: PathBuf,
    token: String,
}

/// A running cluster; it ends with this value or with the process.
#[derive(Debug)]
pub struct Testbed {
    kubeconfig: PathBuf,
    api: Api,
    // Order matters: the cluster stops before its directory is removed.
    _running: Running,
    _dir: tempfile::TempDir,
}

impl Testbed {
    /// Starts a cluster with this many GPUs and waits until its node is ready.
    ///
    /// # Panics
    /// When it does not get ready; its logs are named.
    pub fn start(gpus: u32) -> Self {
        Self::start_with(gpus, &[])
    }

    /// As [`Testbed::start`], with further arguments for `testbed up`.
    ///
    /// # Panics
    /// When it does not get ready.
    pub fn start_with(gpus: u32, extra: &[&str]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("vrb")
            .tempdir()
            .expect("a temporary directory");
        let mut command = Command::new(paths::testbed_bin("testbed"));
        command
            .arg("up")
            .arg("--dir")
            .arg(dir.path())
            .args(["--gpus", &gpus.to_string(), "--die-with-stdin"])
            .arg("--image")
            .arg(format!("vllm-sim={}", paths::built("vllm-sim").display()))
            .args(extra)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut running = Running::start(&mut command);
        let stdout = running.child().stdout.take().expect("stdout is piped");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let announced: Announcement = read
            .ok()
            .and_then(|_| serde_json::from_str(&line).ok())
            .unwrap_or_else(|| panic!("the cluster did not get ready; its logs:\n{}", logs(dir.path())));
        let api = Api::new(&announced.server, &announced.ca_file, &announced.token);
        Self {
            kubeconfig: announced.kubeconfig,
            api,
            _running: running,
            _dir: dir,
        }
    }

    /// The cluster that all tests of this process share; each test uses a namespace of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Testbed> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(64))
    }

    /// Credentials of the cluster's administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Fast reads from this cluster.
    pub fn api(&self) -> Api {
        self.api.clone()
    }

    /// kubectl against this cluster.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(self.kubeconfig.clone())
    }
}

/// The ends of the components' logs.
fn logs(dir: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(dir.join("logs")) else {
        return "(none)".to_owned();
    };
    let mut text = String::new();
    for entry in entries.flatten() {
        let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let tail: Vec<&str> = content.lines().rev().take(8).collect();
        text.push_str(&format!("--- {}\n", entry.file_name().to_string_lossy()));
        text.extend(tail.into_iter().rev().flat_map(|line| [line, "\n"]));
    }
    text
}

/// How long a step on the cluster may take before it counts as hanging.
pub const HANG: Duration = Duration::from_secs(180);
