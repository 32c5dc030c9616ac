//! What earlier runs left: the traffic to give back, and a rollback that need not be done twice. The cluster is believed over
//! the memory: each is used only where the cluster agrees.

use crate::failure::{Failure, FailureKind};
use crate::journal::{RunState, RunSummary, TrafficHold};
use crate::ports::Registry;
use crate::release::{ReleaseRecord, ReleaseRef, ReleaseStatus, Revision};
use crate::report::ExitCode;
use crate::traffic::{TrafficState, TrafficStatus};

/// State of traffic that a run restores in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestorePoint {
    /// The state to restore.
    pub(crate) state: TrafficState,
    /// The earlier run that took the model out of traffic, when it is out.
    pub(crate) taken_by: Option<String>,
}

/// Decides which state a run restores: what an earlier run took away is given back as that run found it. A registry
/// that still looks enabled may be half-way out of it: a run that was cut off closed one of several gates. A model that
/// anybody else disabled stays disabled. Only runs narrow a model, so where nobody remembers one the whole model is
/// meant.
///
/// # Errors
/// When the driver cannot say what the whole model is.
pub(crate) fn restore_point(
    run_state: &RunState,
    found: TrafficState,
    registry: &dyn Registry,
) -> Result<RestorePoint, Failure> {
    let taken = held_by_a_run(run_state)
        .map(|(held, _)| held)
        .filter(|held| held.prior.status == TrafficStatus::Enabled && held.prior.driver == found.driver)
        .filter(|_| !matches!(found.status, TrafficStatus::Other(_)));
    Ok(match taken {
        Some(held) => RestorePoint {
            state: held.prior.clone(),
            taken_by: (found.status != TrafficStatus::Enabled).then(|| held.run_id.clone()),
        },
        None => RestorePoint {
            state: match found.status {
                TrafficStatus::Partial => registry.enabled(&found)?,
                _ => found,
            },
            taken_by: None,
        },
    })
}

/// A rollback that an earlier run began, and that Helm finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CompletedByEarlierRun {
    /// The earlier run.
    pub(crate) run_id: String,
    /// The revision that it left.
    pub(crate) left: Revision,
    /// The revision that it went to.
    pub(crate) target: Revision,
}

/// The current revision is the rollback that an unfinished or held run wanted, so Helm need not run again.
/// `returned_to` is where the current record says it went back to.
pub(crate) fn completed(
    run_state: &RunState,
    current: &ReleaseRecord,
    returned_to: Option<Revision>,
) -> Option<CompletedByEarlierRun> {
    let (held, run) = held_by_a_run(run_state)?;
    let is_its_rollback = current.status == ReleaseStatus::Deployed && is_rollback_of(run, current, returned_to);
    is_its_rollback.then(|| CompletedByEarlierRun {
        run_id: held.run_id.clone(),
        left: Revision(run.from),
        target: Revision(run.to),
    })
}

/// The current revision is what is left of a rollback that one of our runs began and did not finish.
pub(crate) fn was_started(run_state: &RunState, current: &ReleaseRecord, returned_to: Option<Revision>) -> bool {
    let is_of = |run| is_rollback_of(run, current, returned_to) || is_step_back_of(run, current, returned_to);
    held_by_a_run(run_state).is_some() && run_state.runs.iter().any(is_of)
}

fn is_rollback_of(run: &RunSummary, current: &ReleaseRecord, returned_to: Option<Revision>) -> bool {
    current.revision.0 == made_by(run) && returned_to == Some(Revision(run.to))
}

/// Helm went back to what was live, as the run meant it to, and not yet to the run's target.
pub(super) fn is_step_back_of(run: &RunSummary, current: &ReleaseRecord, returned_to: Option<Revision>) -> bool {
    run.step_back.is_some()
        && current.revision.0 == run.from + 1
        && returned_to.map(|revision| revision.0) == run.step_back
}

/// The revision that a run's rollback makes.
pub(super) fn made_by(run: &RunSummary) -> u32 {
    run.from + 1 + u32::from(run.step_back.is_some())
}

/// Traffic that a rollback holds, and that rollback. An operator's `registry disable` is remembered the same way, but
/// it is no run, and what it disabled stays so.
pub fn held_by_a_run(run_state: &RunState) -> Option<(&TrafficHold, &RunSummary)> {
    let held = run_state.held.as_ref()?;
    let run = run_state.runs.iter().rev().find(|run| run.run_id == held.run_id)?;
    Some((held, run))
}

/// A run that began to change things and was cut off, interrupted, or ended without knowing what is true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unfinished<'a> {
    /// The run.
    pub run: &'a RunSummary,
    /// Hold that the earlier run left, with the state that must be given back.
    pub held: &'a TrafficHold,
}

/// The run that must be resumed or aborted before another may start.
pub fn unfinished(run_state: &RunState) -> Option<Unfinished<'_>> {
    let (held, run) = held_by_a_run(run_state)?;
    let is_open = run.exit_code.is_none_or(|code| code == ExitCode::Unknown.number());
    is_open.then_some(Unfinished { run, held })
}

impl Unfinished<'_> {
    /// `run 01J… of ann@laptop from revision 2 to 1, begun 2026-…, last seen fenced`.
    pub fn sentence(&self) -> String {
        let RunSummary {
            run_id,
            started,
            from,
            to,
            state,
            by,
            ..
        } = self.run;
        format!(
            "run {run_id} of {by} from revision {from} to {to}, begun {started}, did not end; it was last seen {state}"
        )
    }

    /// Returns why another run does not start.
    pub(crate) fn refuse(&self, release: &ReleaseRef) -> Failure {
        Failure::new(
            FailureKind::Unfinished,
            format!("an earlier run on {release} is not finished"),
        )
        .because(self.sentence())
        .because(self.held.reason.clone())
        .next(release.hint("finish it", "resume"))
        .next(release.hint("or end it in a safe state", "abort"))
    }
}
