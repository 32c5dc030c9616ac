//! The binary, without anything of the machine it runs on.

use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;
use tempfile::TempDir;

/// A home directory, and the binary in it.
pub(crate) struct Home(TempDir);

/// Result of running the binary.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::cargo_bin("kubectl-vllm_rollback").unwrap();
        command
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.path())
            .timeout(Duration::from_secs(60));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Answer {
        answer(self.command().args(args))
    }
}

pub(crate) fn answer(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    Answer {
        code: output.status.code().expect("an exit code, not a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Answer {
    /// One error of our own shape: what, state, and at least one next step.
    pub(crate) fn is_one_clear_error(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:#?}");
        let starts = |with: &str| self.stderr.lines().filter(|line| line.starts_with(with)).count();
        assert_eq!(starts("error: "), 1, "{self:#?}");
        assert_eq!(starts("state: "), 1, "{self:#?}");
        assert!(starts("next: ") >= 1, "{self:#?}");
        self.without_panic()
    }

    /// One error of the argument parser: what, and how to learn more.
    pub(crate) fn is_one_usage_error(&self) -> &Self {
        assert_eq!(self.code, 2, "{self:#?}");
        assert_eq!(self.stderr.matches("error: ").count(), 1, "{self:#?}");
        assert!(self.stderr.contains("--help"), "{self:#?}");
        self.without_panic()
    }

    pub(crate) fn without_panic(&self) -> &Self {
        assert!(
            !self.stderr.contains("panicked") && !self.stderr.contains("internal error"),
            "{self:#?}"
        );
        self
    }

    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    pub(crate) fn never_says(&self, text: &str) -> &Self {
        assert!(
            !self.stderr.contains(text) && !self.stdout.contains(text),
            "{text:?} in {self:#?}"
        );
        self
    }
}
