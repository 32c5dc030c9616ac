//! fenced: the model is out of traffic, and that is proved.

use std::time::Duration;

use futures::join;
use serde_json::json;

use crate::context::{RunContext, Step};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::StateName;
use crate::states::locked::{Baseline, assert_held};
use crate::states::{evidence, retain};
use crate::step_error::StepError;
use crate::traffic::{Keep, Stop, TrafficState, TrafficStatus};
use crate::wait::or_interrupted;
use crate::workload::ServingPod;
use crate::write_error::WriteError;

/// Proof that the model is out of traffic: only this file makes one, and Helm is not run without.
#[derive(Debug)]
pub(crate) struct Fenced {
    retained: Vec<ServingPod>,
    /// On the run's monotonic clock.
    stopped_at: Duration,
}

impl Fenced {
    /// Pods that go on serving through the run; none when the whole model is out.
    pub(crate) fn retained(&self) -> &[ServingPod] {
        &self.retained
    }

    /// The stop that is proved, to be proved again.
    pub(crate) fn stop<'b>(&self, run: &RunContext<'_>, baseline: &'b Baseline) -> Stop<'b> {
        let now = run.ports.clock.monotonic();
        Stop {
            age: now.saturating_sub(self.stopped_at),
            ..Stop::new(&baseline.prior, Keep::those(&self.retained))
        }
    }
}

/// Fences, with the evidence gathered beside it.
pub(crate) async fn enter(run: &mut RunContext<'_>, plan: &Plan, baseline: &Baseline) -> Result<Fenced, StepError> {
    let (ports, request) = (run.ports, run.request);
    let gathering = evidence::gather(ports, &request.run_id, &baseline.current);
    let (fenced, kept) = join!(fence(run, plan, baseline), gathering);
    match kept {
        Ok(places) => run.write(|report| report.artifacts.extend(places)),
        Err(warning) => run.warn(warning),
    }
    fenced
}

async fn fence(run: &mut RunContext<'_>, plan: &Plan, baseline: &Baseline) -> Result<Fenced, StepError> {
    let deadlines = run.request.deadlines;
    let was_in_traffic = baseline.prior.status == TrafficStatus::Enabled;
    let retained = if was_in_traffic {
        retain::validated_pods(run, plan, baseline).await?
    } else {
        Vec::new()
    };
    let doing = if retained.is_empty() {
        "taking the model out of traffic"
    } else {
        "taking all but the good pods out of traffic"
    };
    let step = run.begin(StateName::Fenced, doing, Some(deadlines.registry));
    write_ahead(run, &step, baseline).await?;
    let mut evidence = retain::label(run, &retained).await?;
    if was_in_traffic {
        stop(run, baseline, &retained).await?;
    } else {
        let word = baseline.prior.status.as_str();
        run.note(format!(
            "the model was {word} in the registry before the run, and stays so"
        ));
    }
    let fenced = Fenced {
        retained,
        stopped_at: run.ports.clock.monotonic(),
    };
    let stop = fenced.stop(run, baseline);
    let confirming = run.ports.registry.confirm_stopped(&stop, deadlines.registry);
    let confirmed = or_interrupted(run.ports.interrupt, confirming).await?;
    evidence.extend(confirmed.map_err(|failure| {
        failure.because("that the model is out of traffic is not proved, so the pods are left as they are")
    })?);
    run.progress.note_fence(true);
    if baseline.is_continued {
        evidence.push("no pod will be replaced, so no request needs to end first".to_owned());
    } else {
        evidence.extend(drain(run, plan, baseline, fenced.retained()).await?);
    }
    run.reached(step, evidence).await;
    Ok(fenced)
}

/// Before the model is taken out of traffic, it is written down what must be given back: then any later run, on any
/// machine, can do it.
async fn write_ahead(run: &mut RunContext<'_>, step: &Step, baseline: &Baseline) -> Result<(), StepError> {
    assert_held(run).await?;
    let key = format!("fence {} {}", baseline.prior.driver, run.request.run_id);
    run.intend(step, key, json!({ "prior": baseline.prior })).await?;
    let reason = format!("run {} is under way or was cut off", run.request.run_id);
    run.ledger.run_state.held = Some(run.held(&reason, baseline.prior.clone()));
    run.save_state().await?;
    run.assert_not_interrupted()?;
    Ok(())
}

async fn stop(run: &mut RunContext<'_>, baseline: &Baseline, retained: &[ServingPod]) -> Result<(), StepError> {
    let taken = Progress::Fenced {
        restore: baseline.prior.clone(),
        retained: retained.to_vec(),
        is_proved: false,
    };
    let stop = Stop::new(&baseline.prior, Keep::those(retained));
    let Err(error) = run.ports.registry.stop(&stop).await else {
        run.progress = taken;
        return Ok(());
    };
    put_back(run, baseline).await;
    // The write may have happened although its answer did not arrive: look.
    let now = run.ports.registry.read().await.ok();
    run.saw_traffic(now.as_ref());
    run.progress = match now {
        Some(now) if !baseline.found.is_same(&now) => taken,
        None => taken,
        Some(_) if matches!(error, WriteError::Rejected(_)) => Progress::Unchanged,
        Some(_) => Progress::Requested,
    };
    Err(error.into())
}

/// One of several registries did not stop the model: the others let it in again, as it was found. No pod was touched yet,
/// so the run can end without a change.
async fn put_back(run: &mut RunContext<'_>, baseline: &Baseline) {
    if baseline.is_continued || !baseline.found.is_same(&baseline.prior) {
        return;
    }
    undo(run, &baseline.prior).await;
}

/// Puts back what a stop took that failed, where it may have taken only some.
pub(crate) async fn undo(run: &mut RunContext<'_>, found: &TrafficState) {
    if assert_held(run).await.is_err() {
        return;
    }
    match run.ports.registry.revert_partial_stop(found).await {
        Ok(true) => run.note("what was taken out of traffic was put back"),
        Ok(false) => {}
        Err(failure) => run.warn(format!(
            "what was taken out of traffic could not be put back: {failure}"
        )),
    }
}

/// Lets requests in flight end. That the pods cannot be asked is no reason to keep a bad revision.
async fn drain(
    run: &mut RunContext<'_>,
    plan: &Plan,
    baseline: &Baseline,
    retained: &[ServingPod],
) -> Result<Vec<String>, StepError> {
    let ports = run.ports;
    let deadline = run.request.deadlines.drain;
    run.announce(StateName::Fenced, "letting requests in flight end", Some(deadline));
    let draining = ports
        .workloads
        .drain(&baseline.current, retained, deadline, ports.observer);
    let drained = match or_interrupted(ports.interrupt, draining).await? {
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
