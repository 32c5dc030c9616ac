//! What a run takes over from an earlier one that did not end well: the traffic it must give back, and the Helm step
//! that need not be done twice. The cluster is believed over the memory: each is used only where the cluster agrees.

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind};
use crate::journal::{Held, Memory, RunSummary};
use crate::ports::Registry;
use crate::release::{ReleaseRecord, ReleaseRef, ReleaseStatus, Revision};
use crate::report::{ExitCode, StateName};
use crate::target::Choice;
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
/// it: a run that was cut off closed one of several gates. A model that anybody else disabled stays disabled. Only runs narrow a
/// model, so where nobody remembers one the whole model is meant.
///
/// # Errors
/// When the driver cannot say what the whole model is.
pub(crate) fn prior(memory: &Memory, found: TrafficState, registry: &dyn Registry) -> Result<Prior, Failure> {
    let taken = held_by_a_run(memory)
        .map(|(held, _)| held)
        .filter(|held| held.prior.status == TrafficStatus::Enabled && held.prior.driver == found.driver)
        .filter(|_| !matches!(found.status, TrafficStatus::Other(_)));
    Ok(match taken {
        Some(held) => Prior {
            state: held.prior.clone(),
            taken_by: (found.status != TrafficStatus::Enabled).then(|| held.run_id.clone()),
        },
        None => Prior {
            state: match found.status {
                TrafficStatus::Narrowed => registry.enabled(&found)?,
                _ => found,
            },
            taken_by: None,
        },
    })
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
    let is_of = |run| is_rollback_of(run, current, returned_to) || is_step_back_of(run, current, returned_to);
    held_by_a_run(memory).is_some() && memory.runs.iter().any(is_of)
}

fn is_rollback_of(run: &RunSummary, current: &ReleaseRecord, returned_to: Option<Revision>) -> bool {
    current.revision.0 == made_by(run) && returned_to == Some(Revision(run.to))
}

/// Helm went back to what was live, as the run meant it to, and not yet to the run's target.
fn is_step_back_of(run: &RunSummary, current: &ReleaseRecord, returned_to: Option<Revision>) -> bool {
    run.step_back.is_some()
        && current.revision.0 == run.from + 1
        && returned_to.map(|revision| revision.0) == run.step_back
}

/// The revision that a run's rollback makes.
fn made_by(run: &RunSummary) -> u32 {
    run.from + 1 + u32::from(run.step_back.is_some())
}

/// Traffic that a rollback holds, and that rollback. An operator's `registry disable` is remembered the same way, but
/// it is no run, and what it disabled stays so.
fn held_by_a_run(memory: &Memory) -> Option<(&Held, &RunSummary)> {
    let held = memory.held.as_ref()?;
    let run = memory.runs.iter().rev().find(|run| run.run_id == held.run_id)?;
    Some((held, run))
}

/// A run that began to change things and was cut off, interrupted, or ended without knowing what is true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unfinished<'a> {
    /// The run.
    pub run: &'a RunSummary,
    /// What it found, and must be given back.
    pub held: &'a Held,
}

/// The run that must be resumed or aborted before another may start.
pub fn unfinished(memory: &Memory) -> Option<Unfinished<'_>> {
    let (held, run) = held_by_a_run(memory)?;
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

    /// Why another run does not start.
    pub(crate) fn refuse(&self, release: &ReleaseRef) -> Failure {
        Failure::new(
            FailureKind::Unfinished,
            format!("an earlier run on {release} is not finished"),
        )
        .because(self.sentence())
        .because(self.held.reason.clone())
        .next(format!("finish it: {}", release.command("resume", "")))
        .next(format!("or end it in a safe state: {}", release.command("abort", "")))
    }
}

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
    pub fn word(self) -> &'static str {
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

/// Compares what the run meant to do with what the cluster shows now.
///
/// # Errors
/// `Conflict` when the newest revision is neither the one that the run left nor the one that it made: then somebody else
/// went on, and only a person can tell what should become of that.
pub(crate) fn resumption(
    unfinished: Unfinished<'_>,
    found: &TrafficState,
    choice: &Choice,
) -> Result<Resumption, Failure> {
    let Unfinished { run, held } = unfinished;
    let helm = helm_step(unfinished, choice)?;
    let has_run = helm.decision == Decision::Done;
    let again = |state: StateName, why: &str| ResumedStep {
        state,
        decision: Decision::Redo,
        why: why.to_owned(),
    };
    Ok(Resumption {
        run_id: run.run_id.clone(),
        by: run.by.clone(),
        started: run.started.clone(),
        steps: vec![
            traffic_step(held, found, has_run),
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

fn traffic_step(held: &Held, found: &TrafficState, has_helm_run: bool) -> ResumedStep {
    let word = found.status.word();
    let (decision, why) = match &found.status {
        _ if held.prior.status != TrafficStatus::Enabled => (
            Decision::Done,
            format!(
                "the model was {} before that run, and is {word}",
                held.prior.status.word()
            ),
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
        TrafficStatus::Narrowed => (
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

fn helm_step(unfinished: Unfinished<'_>, choice: &Choice) -> Result<ResumedStep, Failure> {
    let run = unfinished.run;
    let current = &choice.current;
    let (number, status) = (current.revision, current.status);
    let is_its_remnant = number.0 == made_by(run)
        && current.manifest_sha256 == choice.target.manifest_sha256
        && (status == ReleaseStatus::Failed || status.is_pending());
    let (decision, why) = if choice.continued.is_some() {
        (
            Decision::Done,
            format!("revision {number} is that run's rollback and is {status}"),
        )
    } else if number.0 == run.from {
        (Decision::Redo, format!("Helm made no revision after {number}"))
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
    Failure::new(
        FailureKind::Conflict,
        format!(
            "run {} cannot be resumed: somebody else went on with the release",
            run.run_id
        ),
    )
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
