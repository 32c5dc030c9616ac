//! `abort`: ends a run that was cut off, in the best safe state there is: as it was when that run changed nothing, else
//! out of traffic. It never lets a model into traffic, since nothing proved that it works.

use serde_json::json;

use crate::context::RunContext;
use crate::failure::Failure;
use crate::journal::{RunSummary, TrafficHold};
use crate::ports::Ports;
use crate::progress::Progress;
use crate::release::{Revision, RevisionSummary};
use crate::report::{ExitCode, RunReport, StateName};
use crate::request::Request;
use crate::resume;
use crate::states::locked::{assert_held, lock};
use crate::states::{retain, unchanged, unknown};
use crate::step_error::StepError;
use crate::traffic::{Keep, Stop, TrafficState, TrafficStatus};
use crate::wait::or_interrupted;
use crate::write_ahead::one_line;

/// Ends an unfinished run. Ends `done` when the registry is as that run found it and `held` when the model is out of
/// traffic, both with exit code 0; `unchanged` (1, 12) when there is nothing to abort or it may not be done; `unknown` (13)
/// when the model could not be proved to be out of traffic.
pub async fn abort(ports: &Ports<'_>, request: &Request) -> RunReport {
    let mut run = RunContext::new(*ports, request);
    match end_safely(&mut run).await {
        Ok((outcome, line)) => run.close(outcome, ExitCode::Success, line).await,
        Err(error) => give_up(run, error).await,
    }
}

async fn end_safely(run: &mut RunContext<'_>) -> Result<(StateName, String), StepError> {
    let ports = run.ports;
    run.assert_not_interrupted()?;
    let step = run.begin(StateName::Locked, "taking the lock on the release", None);
    let mut evidence = lock(run).await?;
    let Some((cut, held)) = resume::unfinished(&run.ledger.run_state).map(|cut| (cut.run.clone(), cut.held.clone()))
    else {
        return Err(nothing_to_abort(run).into());
    };
    run.write(|report| {
        report.from_revision = Some(Revision(cut.from));
        report.to_revision = Some(Revision(cut.to));
    });
    let history = ports.releases.history().await?;
    let found = ports.registry.read().await?;
    run.found_traffic(&found);
    evidence.push(format!(
        "run {} of {} did not end; it was last seen {}",
        cut.run_id, cut.by, cut.state
    ));
    run.mark(step, evidence);
    note_helm_state(run, &cut, &history);
    let has_helm_run = history.iter().any(|summary| summary.revision.0 > cut.from);
    if held.prior.status != TrafficStatus::Enabled || (found.is_same(&held.prior) && !has_helm_run) {
        end_unchanged(run, &cut, &found).await
    } else {
        take_out(run, &cut, &found, held).await
    }
}

fn nothing_to_abort(run: &RunContext<'_>) -> Failure {
    let release = &run.request.release;
    let failure = Failure::refused(format!("no run on {release} is unfinished"));
    match &run.ledger.run_state.held {
        Some(held) => failure
            .because(format!(
                "run {} ended, and holds the model: {}",
                held.run_id, held.reason
            ))
            .next(release.command("", ""))
            .next(release.command("registry enable", "")),
        None => failure.next(release.command("status", "")),
    }
}

/// Notes what that run made of the release. It stays: undoing it would be another rollback, which nobody asked for.
fn note_helm_state(run: &mut RunContext<'_>, cut: &RunSummary, history: &[RevisionSummary]) {
    let Some(newest) = history.iter().max_by_key(|summary| summary.revision) else {
        return;
    };
    let (number, status) = (newest.revision, newest.status);
    run.note(if number.0 == cut.from {
        format!("Helm made no revision in that run: the newest is still {number} ({status})")
    } else {
        format!("the newest revision is {number} ({status}); it is left as it is")
    });
    if status.is_pending() {
        run.note("an operation of Helm may still be alive; a later rollback waits for it or asks for --accept-pending");
    }
}

/// That run changed nothing that must be given back.
async fn end_unchanged(
    run: &mut RunContext<'_>,
    cut: &RunSummary,
    found: &TrafficState,
) -> Result<(StateName, String), StepError> {
    assert_held(run).await?;
    let word = found.status.as_str().to_owned();
    let step = run.begin(StateName::Done, "ending the run that was cut off", None);
    let key = format!("abort {}", cut.run_id);
    run.intend(&step, key, json!({ "leaves": found })).await?;
    let line = format!("run {} is ended; the model is {word}, as that run found it", cut.run_id);
    mark_aborted(run, cut, StateName::Unchanged, ExitCode::Refused);
    run.ledger.run_state.held = None;
    run.save_state().await?;
    run.next.push(run.request.release.command("status", ""));
    run.next.push(run.request.release.command("plan", ""));
    run.reached(step, vec![format!("the registry says {word} ({})", found.driver)])
        .await;
    Ok((StateName::Done, line))
}

/// Makes sure that the model is out of traffic, and keeps what must be given back for whoever goes on.
async fn take_out(
    run: &mut RunContext<'_>,
    cut: &RunSummary,
    found: &TrafficState,
    held: TrafficHold,
) -> Result<(StateName, String), StepError> {
    let deadline = run.request.deadlines.registry;
    let step = run.begin(StateName::Fenced, "keeping the model out of traffic", Some(deadline));
    assert_held(run).await?;
    let key = format!("abort {}", cut.run_id);
    run.intend(&step, key, json!({ "prior": held.prior })).await?;
    let restore = held.prior.clone();
    run.progress = Progress::Fenced {
        restore,
        retained: Vec::new(),
        is_proved: false,
    };
    let stop = Stop::new(&held.prior, Keep::as_in(found));
    let stopped = run.ports.registry.stop(&stop).await;
    let confirming = run.ports.registry.confirm_stopped(&stop, deadline);
    let evidence = match (or_interrupted(run.ports.interrupt, confirming).await?, stopped) {
        (Ok(evidence), _) => evidence,
        (Err(failure), Ok(())) => return Err(failure.into()),
        (Err(failure), Err(stop)) => return Err(stop.map(|stop| stop.because(failure.to_string())).into()),
    };
    run.progress.note_fence(true);
    run.reached(step, evidence.clone()).await;
    let now = run.ports.registry.read().await?;
    run.saw_traffic(Some(&now));
    retain::tell(run, Some(&now));
    let why = run
        .request
        .reason
        .as_deref()
        .map(|reason| format!(": {}", one_line(reason)));
    let reason = format!(
        "run {} was aborted by {}{}",
        cut.run_id,
        run.request.by,
        why.unwrap_or_default()
    );
    mark_aborted(run, cut, StateName::Held, ExitCode::HeldRollbackFailed);
    run.ledger.run_state.held = Some(TrafficHold {
        reason: reason.clone(),
        ..held
    });
    run.save_state().await?;
    let release = &run.request.release;
    run.next = vec![
        release.hint("look at what serves, then roll back", "plan"),
        release.hint("let it serve as it is, unchecked", "registry enable"),
    ];
    let step = run.begin(StateName::Held, "ending the run that was cut off", None);
    run.mark(step, evidence);
    let line = match retain::is_narrowed(&now) {
        true => format!("{reason}; all but the pods that were checked is held out of traffic"),
        false => format!("{reason}; the model is held out of traffic"),
    };
    Ok((StateName::Held, line))
}

/// In the memory, the run that was cut off ended here.
fn mark_aborted(run: &mut RunContext<'_>, cut: &RunSummary, state: StateName, exit_code: ExitCode) {
    let by = run.request.by.clone();
    let runs = run.ledger.run_state.runs.iter_mut();
    for summary in runs.filter(|summary| summary.run_id == cut.run_id) {
        summary.state = state;
        summary.exit_code = Some(exit_code.number());
        summary.summary = format!("aborted by {by}");
    }
}

async fn give_up(run: RunContext<'_>, error: StepError) -> RunReport {
    run.say_failed(&error);
    if !run.progress.has_changed_something() {
        return unchanged::enter(run, error).await;
    }
    let failure = error.into_failure("interrupted before the model was proved to be out of traffic");
    unknown::enter(run, failure).await
}
