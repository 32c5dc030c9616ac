//! Real Helm, both majors.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::process::{Command, Output};
use std::time::Duration;

use crate::namespace::Namespace;
use crate::{paths, process};

/// Helm's major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Major {
    /// Helm 3.
    Three,
    /// Helm 4.
    Four,
}

impl Major {
    /// Both, for cases that must hold on each.
    pub const BOTH: [Self; 2] = [Self::Three, Self::Four];

    /// The binary.
    pub fn binary(self) -> std::path::PathBuf {
        paths::testbed_bin(match self {
            Self::Three => "helm3",
            Self::Four => "helm4",
        })
    }
}

/// Helm in a namespace.
#[derive(Debug)]
pub struct Helm<'a> {
    major: Major,
    namespace: &'a Namespace<'a>,
}

impl<'a> Helm<'a> {
    /// Of this major, in this namespace.
    pub fn new(major: Major, namespace: &'a Namespace<'a>) -> Self {
        Self { major, namespace }
    }

    /// Runs it and returns what it said.
    pub fn output(&self, args: &[impl AsRef<OsStr>]) -> Output {
        process::run(self.command().args(args), Duration::from_secs(180))
    }

    /// Runs it and returns its stdout.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, args: &[impl AsRef<OsStr> + Debug]) -> String {
        let output = self.output(args);
        assert!(
            output.status.success(),
            "{:?} {args:?}: {}",
            self.major,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Installs the chart with these `--set` values and waits until it is ready.
    pub fn install(&self, release: &str, set: &[&str]) {
        self.run(&with_values(
            &["install", release, &chart(), "--wait", "--timeout", "120s"],
            set,
        ));
    }

    /// Upgrades the release with these `--set` values, without waiting; it may be a bad one.
    pub fn upgrade(&self, release: &str, set: &[&str]) {
        self.run(&with_values(&["upgrade", release, &chart()], set));
    }

    /// Upgrades the release and waits `timeout`; returns whether Helm called it a success.
    pub fn upgrade_and_wait(&self, release: &str, set: &[&str], timeout: &str) -> bool {
        self.output(&with_values(
            &["upgrade", release, &chart(), "--wait", "--timeout", timeout],
            set,
        ))
        .status
        .success()
    }

    /// `(revision, status, description)` of each revision, oldest first.
    pub fn history(&self, release: &str) -> Vec<(u64, String, String)> {
        let text = self.run(&["history", release, "-o", "json"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).expect("helm prints JSON");
        rows.iter()
            .map(|row| {
                let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                (
                    row["revision"].as_u64().unwrap_or_default(),
                    word("status"),
                    word("description"),
                )
            })
            .collect()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.major.binary());
        command
            .env("KUBECONFIG", self.namespace.testbed.kubeconfig())
            .env("HELM_NAMESPACE", &self.namespace.name)
            .env("HELM_NO_PLUGINS", "1");
        command
    }
}

fn chart() -> String {
    paths::chart().to_string_lossy().into_owned()
}

fn with_values<'s>(args: &[&'s str], set: &[&'s str]) -> Vec<&'s str> {
    let mut all = args.to_vec();
    for pair in set {
        all.extend(["--set", pair]);
    }
    all
}
