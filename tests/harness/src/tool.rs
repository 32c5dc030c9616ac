//! The shipped binary, as people and pipelines run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vllm_rollback_engine::report::RunReport;

use crate::helm::Major;
use crate::process::{self, Running};
use crate::{paths, testbed};

/// What a run of the binary left.
#[derive(Debug)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// The result.
    pub stdout: String,
    /// The progress.
    pub stderr: String,
    /// Wall time.
    pub took: Duration,
}

impl Ran {
    /// The report that `-o json` printed.
    ///
    /// # Panics
    /// When stdout is not a report; shows both streams.
    pub fn report(&self) -> RunReport {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("not a report ({e}):\n{}\n{}", self.stdout, self.stderr))
    }

    /// Asserts the exit code and shows both streams when it is another.
    ///
    /// # Panics
    /// When it is another.
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }
}

/// The binary with credentials, a namespace and a Helm.
#[derive(Debug, Clone)]
pub struct Tool {
    kubeconfig: PathBuf,
    namespace: String,
    major: Major,
    env: Vec<(String, String)>,
    state_home: PathBuf,
}

impl Tool {
    /// In this namespace, with Helm of this major.
    pub fn new(kubeconfig: &Path, namespace: &str, major: Major) -> Self {
        let state_home = std::env::temp_dir().join(format!("vrb-state-{}-{namespace}", std::process::id()));
        Self {
            kubeconfig: kubeconfig.to_owned(),
            namespace: namespace.to_owned(),
            major,
            env: Vec::new(),
            state_home,
        }
    }

    /// With one more variable in its environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With other credentials.
    #[must_use]
    pub fn kubeconfig(mut self, path: &Path) -> Self {
        self.kubeconfig = path.to_owned();
        self
    }

    /// As if on another machine: nothing of the local journal is there.
    #[must_use]
    pub fn elsewhere(mut self) -> Self {
        self.state_home = self.state_home.with_extension("elsewhere");
        self
    }

    /// Where its local journal is.
    pub fn state_home(&self) -> &Path {
        &self.state_home
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        let start = Instant::now();
        let output = process::run(self.command().args(args), testbed::HANG);
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: start.elapsed(),
        }
    }

    /// Rolls back with `--yes -o json`.
    pub fn rollback(&self, release: &str, args: &[&str]) -> Ran {
        self.run(&[&["rollback", release, "--yes", "-o", "json"], args].concat())
    }

    /// Starts it and leaves it running, with both streams piped.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(
            self.command()
                .args(args)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        )
    }

    /// The command, for tests that need more of it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(paths::tool());
        for (key, _) in
            std::env::vars().filter(|(key, _)| key.starts_with("HELM_") || key.starts_with("VLLM_ROLLBACK_"))
        {
            command.env_remove(key);
        }
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HELM_BIN", self.major.binary())
            .env("XDG_STATE_HOME", &self.state_home)
            .env("NO_COLOR", "1")
            .args(["-n", &self.namespace]);
        command.envs(self.env.iter().map(|(k, v)| (k, v)));
        command
    }
}
