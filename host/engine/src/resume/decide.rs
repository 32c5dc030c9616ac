//! Compares what a run that was cut off meant to do with what the cluster shows now.

use crate::failure::Failure;
use crate::journal::{JournalState, StepReach, TrafficHold};
use crate::release::{ReleaseRecord, ReleaseStatus};
use crate::report::StateName::{self, Fenced, Ready, RolledBack, Unfenced, Validated};
use crate::resume::earlier::{Unfinished, is_step_back_of, made_by};
use crate::resume::steps::Decision::{self, Compensate, Done, Redo};
use crate::resume::steps::{ResumedStep, Resumption};
use crate::target::ResolvedTarget;
use crate::traffic::{TrafficState, TrafficStatus};

/// Decides each step by what the run's journal says and the cluster shows. Where they disagree, the cluster is believed: the
/// journal then only tells who did it.
///
/// # Errors
/// `Conflict` when the newest revision is neither the one that the run left nor the one that it made: then somebody else
/// went on, and only a person can tell what should become of that.
pub(crate) fn resumption(
    unfinished: Unfinished<'_>,
    journal: &JournalState,
    found: &TrafficState,
    choice: &ResolvedTarget,
) -> Result<Resumption, Failure> {
    let Unfinished { run, held } = unfinished;
    let helm = helm_step(unfinished, journal, choice)?;
    let has_run = helm.decision == Done;
    let again = |state: StateName, why: &str| match journal.reach(state) {
        StepReach::NotBegun if journal.is_whole => step(state, Redo, "that run did not come so far"),
        _ => step(state, Redo, why),
    };
    Ok(Resumption {
        run_id: run.run_id.clone(),
        by: run.by.clone(),
        started: run.started.clone(),
        steps: vec![
            traffic_step(held, journal, found, has_run),
            helm,
            again(Ready, "pods may have changed since"),
            again(Validated, "a verdict counts only for the pods that serve now"),
            again(Unfenced, "the model is let back only after the checks of this run"),
        ],
    })
}

fn traffic_step(held: &TrafficHold, journal: &JournalState, found: &TrafficState, has_helm_run: bool) -> ResumedStep {
    let before = held.prior.status.as_str();
    let word = found.status.as_str();
    match &found.status {
        _ if held.prior.status != TrafficStatus::Enabled => step(
            Fenced,
            Done,
            format!("the model was {before} before that run, and is {word}"),
        ),
        TrafficStatus::Enabled if journal.reach(Fenced) == StepReach::Reached && !has_helm_run => {
            let why = "that run saw the model out of traffic, and it is in traffic again: it is taken out first";
            step(Fenced, Compensate, why)
        }
        TrafficStatus::Enabled if found.is_same(&held.prior) && !has_helm_run => {
            step(Fenced, Redo, "the model is in traffic as that run found it")
        }
        TrafficStatus::Enabled => {
            let why = "the model is in traffic, wholly or in part, and that run proved nothing to the end: it is taken out first";
            step(Fenced, Compensate, why)
        }
        TrafficStatus::Partial => {
            let why = "the pods that run retained serve, and no others; they are checked again";
            step(Fenced, Done, why)
        }
        TrafficStatus::Disabled | TrafficStatus::Other(_) => step(
            Fenced,
            Done,
            format!("the registry says {word}; that it is out is proved again"),
        ),
    }
}

fn helm_step(
    unfinished: Unfinished<'_>,
    journal: &JournalState,
    choice: &ResolvedTarget,
) -> Result<ResumedStep, Failure> {
    let run = unfinished.run;
    let current = &choice.current;
    let (number, status) = (current.revision, current.status);
    let is_its_remnant = number.0 == made_by(run)
        && current.manifest_sha256 == choice.target.manifest_sha256
        && (status == ReleaseStatus::Failed || status.is_pending());
    let reach = journal.reach(RolledBack);
    let rollback = format!("revision {number} is that run's rollback and is {status}");
    let (decision, why) = if choice.continued.is_some() && journal.is_whole && reach == StepReach::NotBegun {
        let why = format!(
            "revision {number} is the rollback that run wanted and is {status}; it was not that run that made it"
        );
        (Done, why)
    } else if choice.continued.is_some() {
        (Done, rollback)
    } else if number.0 == run.from {
        let more = match reach {
            StepReach::Reached => ", although that run saw one: it was removed",
            StepReach::Begun => ", although that run was about to let it",
            StepReach::NotBegun => "",
        };
        (Redo, format!("Helm made no revision after {number}{more}"))
    } else if is_step_back_of(run, current, choice.returned_to) {
        let why = format!("revision {number} is that run's step back and is {status}; its rollback is still to come");
        (Redo, why)
    } else if is_its_remnant {
        (Redo, rollback)
    } else {
        return Err(somebody_went_on(unfinished, current));
    };
    Ok(step(RolledBack, decision, why))
}

fn step(state: StateName, decision: Decision, why: impl Into<String>) -> ResumedStep {
    ResumedStep {
        state,
        decision,
        why: why.into(),
    }
}

fn somebody_went_on(unfinished: Unfinished<'_>, current: &ReleaseRecord) -> Failure {
    let run = unfinished.run;
    let release = &current.release;
    Failure::conflict(format!(
        "run {} cannot be resumed: somebody else went on with the release",
        run.run_id
    ))
    .because(format!(
        "that run went from revision {} to {}, and the newest revision is now {} ({}): {}",
        run.from, run.to, current.revision, current.status, current.description
    ))
    .next(release.hint("look at it", "history"))
    .next(release.hint("end that run, the model stays out of traffic", "abort"))
    .next(release.hint("then make a new plan", "plan"))
}
