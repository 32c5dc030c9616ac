//! Compares what a run that was cut off meant to do with what the cluster shows now.

use crate::failure::Failure;
use crate::journal::{JournalState, StepReach, TrafficHold};
use crate::release::{ReleaseRecord, ReleaseStatus};
use crate::report::StateName;
use crate::resume::earlier::{Unfinished, is_step_back_of, made_by};
use crate::resume::steps::{Decision, ResumedStep, Resumption};
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
    let has_run = helm.decision == Decision::Done;
    let again = |state: StateName, why: &str| ResumedStep {
        state,
        decision: Decision::Redo,
        why: match journal.reach(state) {
            StepReach::NotBegun if journal.is_whole => "that run did not come so far".to_owned(),
            _ => why.to_owned(),
        },
    };
    Ok(Resumption {
        run_id: run.run_id.clone(),
        by: run.by.clone(),
        started: run.started.clone(),
        steps: vec![
            traffic_step(held, journal, found, has_run),
            helm,
            again(StateName::Ready, "pods may have changed since"),
            again(
                StateName::Validated,
                "a verdict counts only for the pods that serve now",
            ),
            again(
                StateName::Unfenced,
                "the model is let back only after the checks of this run",
            ),
        ],
    })
}

fn traffic_step(held: &TrafficHold, journal: &JournalState, found: &TrafficState, has_helm_run: bool) -> ResumedStep {
    let word = found.status.as_str();
    let (decision, why) = match &found.status {
        _ if held.prior.status != TrafficStatus::Enabled => (
            Decision::Done,
            format!(
                "the model was {} before that run, and is {word}",
                held.prior.status.as_str()
            ),
        ),
        TrafficStatus::Enabled if journal.reach(StateName::Fenced) == StepReach::Reached && !has_helm_run => (
            Decision::Compensate,
            "that run saw the model out of traffic, and it is in traffic again: it is taken out first".to_owned(),
        ),
        TrafficStatus::Enabled if found.is_same(&held.prior) && !has_helm_run => (
            Decision::Redo,
            "the model is in traffic as that run found it".to_owned(),
        ),
        TrafficStatus::Enabled => (
            Decision::Compensate,
            "the model is in traffic, wholly or in part, and that run proved nothing to the end: it is taken out first"
                .to_owned(),
        ),
        TrafficStatus::Partial => (
            Decision::Done,
            "the pods that run spared serve, and no others; they are checked again".to_owned(),
        ),
        TrafficStatus::Disabled | TrafficStatus::Other(_) => (
            Decision::Done,
            format!("the registry says {word}; that it is out is proved again"),
        ),
    };
    ResumedStep {
        state: StateName::Fenced,
        decision,
        why,
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
    let reach = journal.reach(StateName::RolledBack);
    let (decision, why) = if choice.continued.is_some() && journal.is_whole && reach == StepReach::NotBegun {
        (
            Decision::Done,
            format!(
                "revision {number} is the rollback that run wanted and is {status}; it was not that run that made it"
            ),
        )
    } else if choice.continued.is_some() {
        (
            Decision::Done,
            format!("revision {number} is that run's rollback and is {status}"),
        )
    } else if number.0 == run.from {
        let more = match reach {
            StepReach::Reached => ", although that run saw one: it was removed",
            StepReach::Begun => ", although that run was about to let it",
            StepReach::NotBegun => "",
        };
        (Decision::Redo, format!("Helm made no revision after {number}{more}"))
    } else if is_step_back_of(run, current, choice.returned_to) {
        (
            Decision::Redo,
            format!("revision {number} is that run's step back and is {status}; its rollback is still to come"),
        )
    } else if is_its_remnant {
        (
            Decision::Redo,
            format!("revision {number} is that run's rollback and is {status}"),
        )
    } else {
        return Err(somebody_went_on(unfinished, current));
    };
    Ok(ResumedStep {
        state: StateName::RolledBack,
        decision,
        why,
    })
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
    .next(format!("look at it: {}", release.command("history", "")))
    .next(format!(
        "end that run, the model stays out of traffic: {}",
        release.command("abort", "")
    ))
    .next(format!("and then decide anew: {}", release.command("plan", "")))
}
