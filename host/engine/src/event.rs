//! What happens during a run, as it happens: the one stream that every reporter draws from.

use serde::{Deserialize, Serialize};

use crate::check::Verdict;
use crate::failure::Failure;
use crate::report::{RunReport, StateName};
use crate::workload::Cause;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// A state is being worked towards.
    Entering {
        /// State that begins.
        state: StateName,
        /// Present activity, in one line.
        doing: String,
        /// Seconds until the deadline that fires next, when there is one.
        deadline_seconds: Option<u64>,
    },
    /// A state was reached.
    Reached {
        /// State that was reached.
        state: StateName,
        /// Seconds it took.
        seconds: f64,
        /// Observations that prove the state.
        evidence: Vec<String>,
    },
    /// Something worth a line.
    Note {
        /// The line.
        text: String,
    },
    /// Something the operator must know, which does not stop the run.
    Warning {
        /// The line.
        text: String,
    },
    /// Progress while waiting: replicas, log lines about loading, a retry.
    Progress {
        /// The line; a terminal may overwrite the last one.
        text: String,
    },
    /// A cause was named.
    CauseSeen {
        /// Cause that was found.
        cause: Cause,
    },
    /// A check ended.
    Checked {
        /// Verdict of the check.
        verdict: Verdict,
    },
    /// A step failed; what follows is holding or giving back.
    Failed {
        /// Failure that ended the run.
        failure: Failure,
    },
    /// The run ended.
    Finished {
        /// The whole report.
        report: Box<RunReport>,
    },
}

/// Takes events. Reporters implement it; it must not block.
pub trait Observer: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event);
}
