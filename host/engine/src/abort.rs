//! `abort`: ends a run that was cut off, in the best safe state there is: as it was when that run changed nothing, else
//! out of traffic. It never lets a model into traffic, since nothing proved that it works.

use serde_json::json;

use crate::event::Event;
use crate::failure::{Failure, FailureKind};
use crate::journal::{Held, RunSummary};
use crate::journalling::one_line;
use crate::ports::World;
use crate::release::{Revision, RevisionSummary};
use crate::report::{ExitCode, RunReport, StateName};
use crate::request::Request;
use crate::resume;
use crate::run::{Grip, Run};
use crate::setback::Setback;
use crate::states::locked::{assert_held, lock};
use crate::states::{spare, unchanged, unknown};
use crate::traffic::{TrafficState, TrafficStatus};
use crate::wait::unless_asked_to_stop;

/// Ends an unfinished run. Ends `done` when the registry is as that run found it and `held` when the model is out of
/// traffic, both with exit code 0; `unchanged` (1, 12) when there is nothing to abort or it may not be done; `unknown` (13)
/// when the model could not be proved to be out of traffic.
pub async fn abort(world: &World<'_>, request: &Request) -> RunReport {
    let mut run = Run::new(*world, request);
    match end_safely(&mut run).await {
        Ok((outcome, line)) => run.close(outcome, ExitCode::Success, line).await,
        Err(setback) => give_up(run, setback).await,
    }
}

async fn end_safely(run: &mut Run<'_>) -> Result<(StateName, String), Setback> {
    let world = run.world;
    if world.interrupt.is_asked() {
        return Err(Setback::Interrupted);
    }
    let step = run.begin(StateName::Locked, "taking the lock on the release", None);
    let mut evidence = lock(run).await?;
    let Some((cut, held)) = resume::unfinished(&run.memory).map(|cut| (cut.run.clone(), cut.held.clone())) else {
        return Err(nothing_to_abort(run).into());
    };
    run.report.from_revision = Some(Revision(cut.from));
    run.report.to_revision = Some(Revision(cut.to));
    let history = world.releases.history().await?;
    let found = world.registry.read().await?;
    run.report.traffic_before = Some(found.clone());
    run.report.traffic_after = Some(found.clone());
    evidence.push(format!(
        "run {} of {} did not end; it was last seen {}",
        cut.run_id, cut.by, cut.state
    ));
    run.mark(step, evidence);
    helm_stands(run, &cut, &history);
    let has_helm_run = history.iter().any(|summary| summary.revision.0 > cut.from);
    if held.prior.status != TrafficStatus::Enabled || (found.is_same(&held.prior) && !has_helm_run) {
        leave(run, &cut, &found).await
    } else {
        take_out(run, &cut, held).await
    }
}

fn nothing_to_abort(run: &Run<'_>) -> Failure {
    let release = &run.request.release;
    let failure = Failure::new(FailureKind::Refused, format!("no run on {release} is unfinished"));
    match &run.memory.held {
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

/// What that run made of the release stays: undoing it would be another rollback, which nobody asked for.
fn helm_stands(run: &mut Run<'_>, cut: &RunSummary, history: &[RevisionSummary]) {
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
async fn leave(run: &mut Run<'_>, cut: &RunSummary, found: &TrafficState) -> Result<(StateName, String), Setback> {
    assert_held(run).await?;
    let word = found.status.word().to_owned();
    let step = run.begin(StateName::Done, "ending the run that was cut off", None);
    let key = format!("abort {}", cut.run_id);
    run.intend(&step, key, json!({ "leaves": found })).await?;
    let line = format!("run {} is ended; the model is {word}, as that run found it", cut.run_id);
    close_the_books(run, cut, StateName::Unchanged, ExitCode::Refused);
    run.memory.held = None;
    run.remember().await?;
    run.report.next.push(run.request.release.command("status", ""));
    run.report.next.push(run.request.release.command("plan", ""));
    run.reached(step, vec![format!("the registry says {word} ({})", found.driver)])
        .await;
    Ok((StateName::Done, line))
}

/// Makes sure that the model is out of traffic, and keeps what must be given back for whoever goes on.
async fn take_out(run: &mut Run<'_>, cut: &RunSummary, held: Held) -> Result<(StateName, String), Setback> {
    let deadline = run.request.deadlines.registry;
    let step = run.begin(StateName::Fenced, "keeping the model out of traffic", Some(deadline));
    assert_held(run).await?;
    let key = format!("abort {}", cut.run_id);
    run.intend(&step, key, json!({ "prior": held.prior })).await?;
    run.grip = Grip::Taken;
    let stopped = run.world.registry.stop(&held.prior).await;
    let confirming = run.world.registry.confirm_stopped(deadline);
    let evidence = match (unless_asked_to_stop(run.world.interrupt, confirming).await?, stopped) {
        (Ok(evidence), _) => evidence,
        (Err(failure), Ok(())) => return Err(failure.into()),
        (Err(failure), Err(stop)) => return Err(stop.because(failure.to_string()).into()),
    };
    run.is_fence_proved = true;
    run.reached(step, evidence.clone()).await;
    run.report.traffic_after = Some(run.world.registry.read().await?);
    spare::tell(run);
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
    close_the_books(run, cut, StateName::Held, ExitCode::HeldRollbackFailed);
    run.memory.held = Some(Held {
        reason: reason.clone(),
        ..held
    });
    run.remember().await?;
    let release = &run.request.release;
    run.report.next = vec![
        format!("look at what serves, then roll back: {}", release.command("plan", "")),
        format!(
            "let it serve as it is, unchecked: {}",
            release.command("registry enable", "")
        ),
    ];
    let step = run.begin(StateName::Held, "ending the run that was cut off", None);
    run.mark(step, evidence);
    let line = match spare::are_left(run) {
        true => format!("{reason}; all but the pods that were checked is held out of traffic"),
        false => format!("{reason}; the model is held out of traffic"),
    };
    Ok((StateName::Held, line))
}

/// In the memory, the run that was cut off ended here.
fn close_the_books(run: &mut Run<'_>, cut: &RunSummary, state: StateName, exit_code: ExitCode) {
    let by = run.request.by.clone();
    for summary in run
        .memory
        .runs
        .iter_mut()
        .filter(|summary| summary.run_id == cut.run_id)
    {
        summary.state = state;
        summary.exit_code = Some(exit_code.number());
        summary.summary = format!("aborted by {by}");
    }
}

async fn give_up(mut run: Run<'_>, setback: Setback) -> RunReport {
    if let Some(failure) = setback.failure() {
        run.say(Event::Failed {
            failure: failure.clone(),
        });
    }
    if run.grip == Grip::Untouched {
        run.memory = run.memory_before.clone();
        return unchanged::enter(run, setback).await;
    }
    let failure = setback.into_failure("interrupted before the model was proved to be out of traffic");
    unknown::enter(run, failure).await
}
