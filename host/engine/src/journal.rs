//! The journal: what the run is about to do, and what it then saw.

mod fold;

use serde::{Deserialize, Serialize};

use crate::report::StateName;
use crate::traffic::TrafficState;

pub use fold::{Gap, JournalState, StepReach, WrittenAhead, fold};

/// One record of the journal. Every edge is written twice: before it acts and after it looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1 within a run.
    pub seq: u64,
    /// The run.
    pub run_id: String,
    /// RFC 3339 wall-clock time.
    pub at: String,
    /// The state that is being entered or was reached.
    pub state: StateName,
    /// Kind of the record, with its data.
    pub edge: RecordKind,
}

impl Entry {
    /// The same step was decided on: what was seen, and when, may be told in other words.
    pub(crate) fn is_same_decision(&self, other: &Self) -> bool {
        let is_same_edge = match (&self.edge, &other.edge) {
            (RecordKind::Intent { key: a, .. }, RecordKind::Intent { key: b, .. }) => a == b,
            (RecordKind::Observed { .. }, RecordKind::Observed { .. }) => true,
            (RecordKind::Finished { exit_code: a, .. }, RecordKind::Finished { exit_code: b, .. }) => a == b,
            _ => false,
        };
        is_same_edge && self.state == other.state
    }
}

/// Content of a journal record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "edge", rename_all = "kebab-case")]
pub enum RecordKind {
    /// About to act. `key` is the same for every try of the same step.
    Intent {
        /// Idempotency key: `helm-rollback 3→1 as 4 sha256:…`.
        key: String,
        /// Data needed to undo or finish the step on another machine.
        data: serde_json::Value,
    },
    /// Seen afterwards.
    Observed {
        /// Evidence lines.
        evidence: Vec<String>,
    },
    /// The run ended.
    Finished {
        /// The exit code it ended with.
        exit_code: i32,
        /// Reason for the end, in one line.
        summary: String,
    },
}

/// A journal as it was read back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Journalled {
    /// The records up to the first line that cannot be trusted.
    pub entries: Vec<Entry>,
    /// The number of that line, unless it is a last one that a crash tore.
    pub damaged: Option<usize>,
}

/// State that earlier runs on the release left behind, readable by a later run on any machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// Traffic that a run took away and did not give back: its run id and the state it found.
    pub held: Option<TrafficHold>,
    /// Revisions that runs rolled back from, newest last: `(revision, manifest sha256, reason)`.
    pub rejected: Vec<Rejected>,
    /// Summaries of the last runs, newest last.
    pub runs: Vec<RunSummary>,
}

/// Traffic that a run took away and did not give back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrafficHold {
    /// The run.
    pub run_id: String,
    /// RFC 3339.
    pub since: String,
    /// Reason for holding traffic, in one line.
    pub reason: String,
    /// State of traffic before the run took the model out of it.
    pub prior: TrafficState,
}

/// A revision that a run rolled back from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Number of the revision.
    pub revision: u32,
    /// SHA-256 of its manifest, hex.
    pub manifest_sha256: String,
    /// Reason for the rejection, in one line.
    pub reason: String,
}

/// One run, in short.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub run_id: String,
    /// RFC 3339 start.
    pub started: String,
    /// From which revision.
    pub from: u32,
    /// To which revision.
    pub to: u32,
    /// The revision that Helm goes back to first, when it does ([`crate::plan::StepBack`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_back: Option<u32>,
    /// `true` when the run keeps good pods in traffic ([`crate::request::FenceScope::BadOnly`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spares: bool,
    /// The state it reached last.
    pub state: StateName,
    /// Exit code, once it ended.
    pub exit_code: Option<i32>,
    /// Reason for the end, in one line.
    pub summary: String,
    /// User who ran it, as the cluster knows them.
    pub by: String,
}
