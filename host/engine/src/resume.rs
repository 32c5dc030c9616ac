//! What a run takes over from an earlier one that did not end well: the traffic it must give back, and the Helm step
//! that need not be done twice. The cluster is believed over the memory: each is used only where the cluster agrees.

use crate::journal::{Held, Memory, RunSummary};
use crate::release::{ReleaseRecord, ReleaseStatus, Revision};
use crate::traffic::{TrafficState, TrafficStatus};

/// What a run restores in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prior {
    /// The state to restore.
    pub(crate) state: TrafficState,
    /// The earlier run that took the model out of traffic, when it is out.
    pub(crate) taken_by: Option<String>,
}

/// What a run took away is given back as that run found it. A registry that still looks enabled may be half-way out of
/// it: a run that was cut off closed one of several gates. A model that anybody else disabled stays disabled.
pub(crate) fn prior(memory: &Memory, found: TrafficState) -> Prior {
    let taken = held_by_a_run(memory)
        .map(|(held, _)| held)
        .filter(|held| held.prior.status == TrafficStatus::Enabled && held.prior.driver == found.driver)
        .filter(|_| matches!(found.status, TrafficStatus::Disabled | TrafficStatus::Enabled));
    match taken {
        Some(held) => Prior {
            state: held.prior.clone(),
            taken_by: (found.status == TrafficStatus::Disabled).then(|| held.run_id.clone()),
        },
        None => Prior {
            state: found,
            taken_by: None,
        },
    }
}

/// A rollback that an earlier run began, and that Helm finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Continued {
    /// The earlier run.
    pub(crate) run_id: String,
    /// The revision that it left.
    pub(crate) left: Revision,
    /// The revision that it went to.
    pub(crate) target: Revision,
}

/// The current revision is the rollback that an unfinished or held run wanted, so Helm need not run again.
/// `returned_to` is where the current record says it went back to.
pub(crate) fn continued(memory: &Memory, current: &ReleaseRecord, returned_to: Option<Revision>) -> Option<Continued> {
    let (held, run) = held_by_a_run(memory)?;
    let is_its_rollback = current.status == ReleaseStatus::Deployed && is_rollback_of(run, current, returned_to);
    is_its_rollback.then(|| Continued {
        run_id: held.run_id.clone(),
        left: Revision(run.from),
        target: Revision(run.to),
    })
}

/// The current revision is what is left of a rollback that one of our runs began and did not finish.
pub(crate) fn began(memory: &Memory, current: &ReleaseRecord, returned_to: Option<Revision>) -> bool {
    held_by_a_run(memory).is_some() && memory.runs.iter().any(|run| is_rollback_of(run, current, returned_to))
}

fn is_rollback_of(run: &RunSummary, current: &ReleaseRecord, returned_to: Option<Revision>) -> bool {
    current.revision.0 == run.from + 1 && returned_to == Some(Revision(run.to))
}

/// Traffic that a rollback holds, and that rollback. An operator's `registry disable` is remembered the same way, but
/// it is no run, and what it disabled stays so.
fn held_by_a_run(memory: &Memory) -> Option<(&Held, &RunSummary)> {
    let held = memory.held.as_ref()?;
    let run = memory.runs.iter().rev().find(|run| run.run_id == held.run_id)?;
    Some((held, run))
}
