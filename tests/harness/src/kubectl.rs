//! kubectl, for what a test wants to see or do on the cluster.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{paths, process};

/// kubectl with the credentials of a cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// With these credentials.
    pub fn new(kubeconfig: PathBuf) -> Self {
        Self { kubeconfig }
    }

    /// Runs it and returns what it said.
    pub fn output(&self, args: &[&str]) -> Output {
        process::run(self.command().args(args), Duration::from_secs(60))
    }

    /// Runs it and returns its stdout.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(
            output.status.success(),
            "kubectl {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs it with `-o json`; none when the object does not exist.
    pub fn json(&self, args: &[&str]) -> Option<Value> {
        let output = self.output(&[args, &["-o", "json"]].concat());
        output
            .status
            .success()
            .then(|| serde_json::from_slice(&output.stdout).expect("kubectl prints JSON"))
    }

    /// Applies a manifest.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn apply(&self, manifest: &str) {
        use std::io::Write;
        let mut child = self
            .command()
            .args(["apply", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("kubectl starts");
        child
            .stdin
            .take()
            .expect("stdin is piped")
            .write_all(manifest.as_bytes())
            .expect("kubectl reads");
        assert!(
            child.wait().expect("kubectl ends").success(),
            "kubectl apply refused:\n{manifest}"
        );
    }

    fn command(&self) -> Command {
        let mut command = Command::new(paths::testbed_bin("kubectl"));
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy");
        command
    }
}
