//! fenced: the model is out of traffic, and that is proved.

use futures::join;
use serde_json::json;

use crate::failure::{Failure, FailureKind};
use crate::plan::Plan;
use crate::report::StateName;
use crate::run::{Grip, Run, Step};
use crate::setback::Setback;
use crate::states::locked::{Basis, assert_held};
use crate::states::{evidence, spare};
use crate::traffic::{TrafficState, TrafficStatus};
use crate::wait::unless_asked_to_stop;

/// Proof that the model is out of traffic: only this file makes one, and Helm is not run without.
#[derive(Debug)]
pub(crate) struct Fence(());

/// Fences, with the evidence gathered beside it.
pub(crate) async fn enter(run: &mut Run<'_>, plan: &Plan, basis: &Basis) -> Result<Fence, Setback> {
    let (world, request) = (run.world, run.request);
    let gathering = evidence::gather(world, &request.run_id, &basis.current);
    let (fenced, kept) = join!(fence(run, plan, basis), gathering);
    run.report.artifacts.extend(kept.artifacts);
    if let Some(warning) = kept.warning {
        run.warn(warning);
    }
    fenced
}

async fn fence(run: &mut Run<'_>, plan: &Plan, basis: &Basis) -> Result<Fence, Setback> {
    let deadlines = run.request.deadlines;
    let was_in_traffic = basis.prior.status == TrafficStatus::Enabled;
    let spared = if was_in_traffic {
        spare::proved(run, plan, basis).await?
    } else {
        Vec::new()
    };
    let doing = if spared.is_empty() {
        "taking the model out of traffic"
    } else {
        "taking all but the good pods out of traffic"
    };
    let step = run.begin(StateName::Fenced, doing, Some(deadlines.registry));
    write_ahead(run, &step, basis).await?;
    let mut evidence = spare::mark(run, spared).await?;
    if was_in_traffic {
        stop(run, basis).await?;
    } else {
        let word = basis.prior.status.word();
        run.note(format!(
            "the model was {word} in the registry before the run, and stays so"
        ));
    }
    let confirming = run.world.registry.confirm_stopped(deadlines.registry);
    let confirmed = unless_asked_to_stop(run.world.interrupt, confirming).await?;
    evidence.extend(confirmed.map_err(|failure| {
        failure.because("that the model is out of traffic is not proved, so the pods are left as they are")
    })?);
    run.is_fence_proved = true;
    if basis.is_continued {
        evidence.push("no pod will be replaced, so no request needs to end first".to_owned());
    } else {
        evidence.extend(drain(run, plan, basis).await?);
    }
    run.reached(step, evidence).await;
    Ok(Fence(()))
}

/// Before the model is taken out of traffic, it is written down what must be given back: then any later run, on any
/// machine, can do it.
async fn write_ahead(run: &mut Run<'_>, step: &Step, basis: &Basis) -> Result<(), Setback> {
    assert_held(run).await?;
    let key = format!("fence {} {}", basis.prior.driver, run.request.run_id);
    run.intend(step, key, json!({ "prior": basis.prior })).await?;
    let reason = format!("run {} is under way or was cut off", run.request.run_id);
    run.memory.held = Some(run.held(&reason, basis.prior.clone()));
    run.remember().await?;
    if run.world.interrupt.is_asked() {
        return Err(Setback::Interrupted);
    }
    Ok(())
}

async fn stop(run: &mut Run<'_>, basis: &Basis) -> Result<(), Setback> {
    let Err(failure) = run.world.registry.stop(spare::stops(run, basis)).await else {
        run.grip = Grip::Taken;
        return Ok(());
    };
    put_back(run, basis).await;
    // The write may have happened although its answer did not arrive: look.
    match run.world.registry.read().await {
        Ok(now) => {
            let is_as_found = run
                .report
                .traffic_before
                .as_ref()
                .is_some_and(|found| found.is_same(&now));
            run.report.traffic_after = Some(now);
            if is_as_found {
                // It may still happen after we looked, unless the registry answered with a no.
                run.keeps_write_ahead = !is_a_no(&failure);
            } else {
                run.grip = Grip::Taken;
            }
        }
        Err(_) => {
            run.report.traffic_after = None;
            run.grip = Grip::Taken;
        }
    }
    Err(failure.into())
}

/// One of several registries did not stop the model: the others let it in again, as it was found. No pod was touched yet,
/// so the run can end without a change.
async fn put_back(run: &mut Run<'_>, basis: &Basis) {
    let found = run.report.traffic_before.as_ref();
    if basis.is_continued || !found.is_some_and(|found| found.is_same(&basis.prior)) {
        return;
    }
    undo(run, &basis.prior).await;
}

/// Puts back what a stop took that failed, where it may have taken only some.
pub(crate) async fn undo(run: &mut Run<'_>, found: &TrafficState) {
    if assert_held(run).await.is_err() {
        return;
    }
    match run.world.registry.undo_stop(found).await {
        Ok(true) => run.note("what was taken out of traffic was put back"),
        Ok(false) => {}
        Err(failure) => run.warn(format!(
            "what was taken out of traffic could not be put back: {failure}"
        )),
    }
}

/// The registry understood and did not do it, so it will not do it later either.
fn is_a_no(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::Refused
            | FailureKind::Forbidden
            | FailureKind::Conflict
            | FailureKind::NotFound
            | FailureKind::Invalid
            | FailureKind::Usage
    )
}

/// Lets requests in flight end. That the pods cannot be asked is no reason to keep a bad revision.
async fn drain(run: &mut Run<'_>, plan: &Plan, basis: &Basis) -> Result<Vec<String>, Setback> {
    let world = run.world;
    let deadline = run.request.deadlines.drain;
    run.announce(StateName::Fenced, "letting requests in flight end", Some(deadline));
    let draining = world
        .workloads
        .drain(&basis.current, &run.spared, deadline, world.observer);
    let drained = match unless_asked_to_stop(world.interrupt, draining).await? {
        Ok(drained) => drained,
        Err(failure) => {
            run.warn(format!("how many requests are in flight is unknown: {failure}"));
            return Ok(vec!["requests in flight: unknown".to_owned()]);
        }
    };
    let count = drained
        .in_flight
        .map_or_else(|| "unknown".to_owned(), |n| n.to_string());
    let mut evidence = vec![format!("requests in flight: {count}")];
    if drained.deadline_passed {
        let line = format!(
            "{count} requests were still in flight after {} s; they break when the pods of revision {} are replaced",
            deadline.as_secs(),
            plan.current.revision
        );
        run.warn(line);
    }
    evidence.extend(drained.evidence);
    Ok(evidence)
}
