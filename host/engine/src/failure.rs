//! Failures that a person can act on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kind of a failure; decides the exit code when nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The command line or a configuration file is wrong.
    Usage,
    /// Something that was named does not exist.
    NotFound,
    /// The cluster or registry does not let this user do it.
    Forbidden,
    /// No connection to the cluster, the registry or the router.
    Unreachable,
    /// Somebody else changed the same thing.
    Conflict,
    /// Another run holds the lock.
    Locked,
    /// A deadline passed.
    Timeout,
    /// Data that was read makes no sense: a corrupt record, a malformed answer.
    Invalid,
    /// The tool will not do it, because it would not be safe.
    Refused,
    /// A GitOps controller owns the release.
    GitOps,
    /// An earlier run was cut off and must be resumed or aborted first.
    Unfinished,
    /// A child process failed.
    External,
    /// The operator or the system asked the run to stop.
    Interrupted,
    /// A defect of this tool.
    Internal,
}

/// Error for people: what happened, why, and what to type next. Texts never hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Kind of the failure.
    pub kind: FailureKind,
    /// One line: what happened.
    pub what: String,
    /// Causes, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// Commands or acts that help, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<String>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: FailureKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            why: Vec::new(),
            next: Vec::new(),
        }
    }

    /// The command line or a configuration file is wrong.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, what)
    }

    /// Somebody else changed the same thing.
    pub fn conflict(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Conflict, what)
    }

    /// Data that was read makes no sense.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Invalid, what)
    }

    /// The tool will not do it.
    pub fn refused(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, what)
    }

    /// A child process failed.
    pub fn external(what: impl Into<String>) -> Self {
        Self::new(FailureKind::External, what)
    }

    /// A defect of this tool.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, what)
    }

    /// Something was not done in time.
    pub fn timeout(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Timeout, what)
    }

    /// Something that was named does not exist.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(FailureKind::NotFound, what)
    }

    /// Adds one cause.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Adds an error and all its sources as causes, leaving out repeats.
    #[must_use]
    pub fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut at = Some(error);
        while let Some(e) = at {
            let text = e.to_string();
            if !self.why.iter().any(|seen| seen.contains(&text)) {
                self.why.push(text);
            }
            at = e.source();
        }
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next.push(step.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for why in &self.why {
            write!(f, ": {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
