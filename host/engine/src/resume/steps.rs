//! What becomes of each step of a run that is resumed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::report::StateName;

/// Treatment of a step of the run that is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The step was done, and the cluster shows it: it is proved again, not repeated.
    Done,
    /// The step was not done, or what it proved may have changed: it is done now.
    Redo,
    /// The step was half done: what it changed is taken back first.
    Compensate,
}

/// The word in plans and documents.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One step of the run that is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumedStep {
    /// Towards which state.
    pub state: StateName,
    /// Treatment of the step.
    pub decision: Decision,
    /// Observation in the cluster that decides it.
    pub why: String,
}

/// Plan of a resumed run for the one that was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    /// The run that was cut off.
    pub run_id: String,
    /// User who ran it.
    pub by: String,
    /// RFC 3339, when it began.
    pub started: String,
    /// Steps of the run, in order.
    pub steps: Vec<ResumedStep>,
}
