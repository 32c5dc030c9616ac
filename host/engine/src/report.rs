//! The result of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::check::{CheckSpec, Verdict};
use crate::failure::Failure;
use crate::release::Revision;
use crate::traffic::TrafficState;
use crate::workload::Cause;

/// A state of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateName {
    /// Everything looked at, nothing changed.
    Planned,
    /// The lock is ours, the journal is open.
    Locked,
    /// The model is out of traffic, proved.
    Fenced,
    /// Helm put the target back, read back from its record.
    RolledBack,
    /// One revision serves and equals the target's manifest.
    Ready,
    /// The direct checks passed.
    Validated,
    /// The registry's prior state is restored, proved.
    Unfenced,
    /// The routed checks passed.
    Confirmed,
    /// Reported and unlocked.
    Done,
    /// The model stays out of traffic, with a reason.
    Held,
    /// Nothing was changed, or all that was changed was put back.
    Unchanged,
    /// The present state could not be observed. Until a state says otherwise, this is so: a report that escapes early must
    /// not claim success.
    #[default]
    Unknown,
}

/// The word in reports and documents, which is also its serde form.
impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The documented exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "i32", try_from = "i32")]
pub enum ExitCode {
    /// Restored and serving; or a plan, a history, a validation that passed.
    Success = 0,
    /// Refused or failed before anything changed.
    Refused = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Rolled back, and the model is held out of traffic because a check failed.
    HeldCheckFailed = 10,
    /// The rollback failed, and the model is held out of traffic.
    HeldRollbackFailed = 11,
    /// Another run holds the lock.
    Locked = 12,
    /// The state is unknown, or the run was interrupted.
    #[default]
    Unknown = 13,
    /// A GitOps controller owns the release.
    GitOps = 14,
    /// The plan is stale: what it rests on changed.
    Stale = 15,
}

impl ExitCode {
    /// All of them, for documentation.
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Refused,
        Self::Usage,
        Self::HeldCheckFailed,
        Self::HeldRollbackFailed,
        Self::Locked,
        Self::Unknown,
        Self::GitOps,
        Self::Stale,
    ];

    /// The number.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// Returns the meaning, in one line.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "restored and serving, or the plan or validation passed",
            Self::Refused => "refused or failed before anything changed",
            Self::Usage => "the command line or the configuration is wrong",
            Self::HeldCheckFailed => "rolled back, but a check failed: the model is held out of traffic",
            Self::HeldRollbackFailed => "the rollback failed: the model is held out of traffic",
            Self::Locked => "another run holds the lock",
            Self::Unknown => "the state is unknown, or the run was interrupted",
            Self::GitOps => "a GitOps controller owns the release",
            Self::Stale => "the plan is stale: what it rests on has changed",
        }
    }
}

impl From<ExitCode> for i32 {
    fn from(code: ExitCode) -> Self {
        code.number()
    }
}

impl TryFrom<i32> for ExitCode {
    type Error = String;

    fn try_from(number: i32) -> Result<Self, Self::Error> {
        Self::ALL
            .into_iter()
            .find(|code| code.number() == number)
            .ok_or_else(|| format!("no exit code {number}"))
    }
}

/// A state that was reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateReached {
    /// Name of the state.
    pub name: StateName,
    /// Seconds it took.
    pub seconds: f64,
    /// Seconds from the start of the run to its end.
    pub at_seconds: f64,
    /// Observations that prove the state.
    pub evidence: Vec<String>,
}

/// Everything a run can say of itself in the end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RunReport {
    /// The run.
    pub run_id: String,
    /// Version of the tool.
    pub tool_version: String,
    /// RFC 3339 start.
    pub started: String,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Release name.
    pub release: String,
    /// Namespace of the release.
    pub namespace: String,
    /// Reason for the run, as the operator gave it.
    pub reason: Option<String>,
    /// User who ran it, as the cluster knows them.
    pub by: Option<String>,
    /// The state it ended in: done, held, unchanged or unknown.
    pub outcome: StateName,
    /// The exit code.
    pub exit_code: ExitCode,
    /// The revision that was current.
    pub from_revision: Option<Revision>,
    /// The revision it went to.
    pub to_revision: Option<Revision>,
    /// The revision that the rollback made.
    pub new_revision: Option<Revision>,
    /// The states it went through.
    pub states: Vec<StateReached>,
    /// The checks it meant to make.
    pub checks_planned: Vec<CheckSpec>,
    /// Verdicts of the checks.
    pub checks: Vec<Verdict>,
    /// Causes that were named.
    pub causes: Vec<Cause>,
    /// Traffic as it was found.
    pub traffic_before: Option<TrafficState>,
    /// Traffic as it was last read.
    pub traffic_after: Option<TrafficState>,
    /// Failure that kept the run from `done`.
    pub failure: Option<Failure>,
    /// Things to know: what was skipped, what changed for later upgrades.
    pub notes: Vec<String>,
    /// Commands to type next, best first.
    pub next: Vec<String>,
    /// Places of the evidence and the journal.
    pub artifacts: Vec<String>,
}
