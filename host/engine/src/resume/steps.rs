//! What becomes of each step of a run that is resumed.

use serde::{Deserialize, Serialize};

use crate::report::StateName;

/// What becomes of a step of the run that is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It was done, and the cluster shows it: it is proved again, not repeated.
    Done,
    /// It was not done, or what it proved may have changed: it is done now.
    Redo,
    /// It was done by half: what it changed is taken back first.
    Compensate,
}

impl Decision {
    /// The word in plans and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Redo => "redo",
            Self::Compensate => "compensate",
        }
    }
}

/// One step of the run that is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumedStep {
    /// Towards which state.
    pub state: StateName,
    /// What becomes of it.
    pub decision: Decision,
    /// What was seen in the cluster that decides it.
    pub why: String,
}

/// What a resumed run makes of the one that was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    /// The run that was cut off.
    pub run_id: String,
    /// Who ran it.
    pub by: String,
    /// RFC 3339, when it began.
    pub started: String,
    /// Its steps, in order.
    pub steps: Vec<ResumedStep>,
}
