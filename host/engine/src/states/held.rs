//! held: the model stays out of traffic, with a reason. Says so only when it was seen to be out.

use crate::context::RunContext;
use crate::event::Event;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::report::{RunReport, StateName};
use crate::states::locked::assert_held;
use crate::states::{retain, unknown};
use crate::step_error::StepError;
use crate::traffic::{Keep, Stop, TrafficState, TrafficStatus};
use crate::workload::ServingPod;

/// Makes sure that the model is out of traffic, remembers what to give back, and ends the run.
pub(crate) async fn enter(mut run: RunContext<'_>, prior: TrafficState, error: StepError) -> RunReport {
    let is_interrupted = matches!(error, StepError::Interrupted);
    let exit_code = error.exit_held();
    let mut failure = error.into_failure("interrupted after the model was taken out of traffic");
    let step = run.begin(
        StateName::Held,
        "keeping the model out of traffic",
        Some(run.request.deadlines.registry),
    );
    let (evidence, now) = match keep_out(&mut run, &prior).await {
        Ok(kept) => kept,
        Err(trouble) => {
            failure = failure.because(format!(
                "and the model could not be proved to be out of traffic: {trouble}"
            ));
            return unknown::enter(run, failure).await;
        }
    };
    retain::tell(&mut run, now.as_ref());
    let release = &run.request.release;
    let mut next = std::mem::take(&mut failure.next);
    next.retain(|step| *step != release.command("", ""));
    if is_interrupted {
        next.insert(0, release.hint("finish it", "resume"));
        next.insert(1, release.hint("or end it as it is", "abort"));
    } else if !next.iter().any(|step| step.contains(&release.command("", ""))) {
        next.push(release.hint("once the trouble is gone, continue", ""));
    }
    next.push(release.hint("let it serve as it is, unchecked", "registry enable"));
    run.next = next;

    run.ledger.run_state.held = Some(run.held(&failure.to_string(), prior));
    run.mark(step, evidence);
    run.close_failed(StateName::Held, exit_code, failure).await
}

/// Evidence that the model is out of traffic, and the traffic that was read last, where it could be read.
type KeptOut = (Vec<String>, Option<TrafficState>);

/// Sees that the model is out of traffic, or takes it out again.
async fn keep_out(run: &mut RunContext<'_>, prior: &TrafficState) -> Result<KeptOut, Failure> {
    let Progress::Fenced { is_proved, .. } = run.progress else {
        return take_out_again(run, prior).await;
    };
    match run.ports.registry.read().await {
        Ok(now) if now.status == TrafficStatus::Enabled => {
            run.warn("the registry sends traffic to the model, although it was taken out: taking it out again");
            take_out_again(run, prior).await
        }
        Ok(now) => {
            let line = format!("the registry says {} ({})", now.status.as_str(), now.driver);
            let mut evidence = vec![line];
            evidence.extend(now.evidence.iter().cloned());
            if !is_proved {
                evidence.push("that routers and caches followed is not proved".to_owned());
            }
            run.saw_traffic(Some(&now));
            Ok((evidence, Some(now)))
        }
        Err(failure) if is_proved => {
            run.saw_traffic(None);
            run.warn(format!("the registry could not be read once more: {failure}"));
            let line = "proved to be out of traffic earlier in this run, and not given back since";
            Ok((vec![line.to_owned()], None))
        }
        Err(failure) => Err(failure),
    }
}

async fn take_out_again(run: &mut RunContext<'_>, prior: &TrafficState) -> Result<KeptOut, Failure> {
    let deadline = run.request.deadlines.registry;
    if let Err(StepError::LockLost(failure)) = assert_held(run).await {
        return Err(failure);
    }
    let step = run.begin(
        StateName::Fenced,
        "taking the model out of traffic again",
        Some(deadline),
    );
    let key = format!("fence again {} {}", prior.driver, run.request.run_id);
    // Taking a model out is the safe side: it is done even where it cannot be written down.
    if let Err(failure) = run.intend(&step, key, serde_json::json!({ "prior": prior })).await {
        run.warn(failure.to_string());
    }
    let retained = label_again(run).await;
    let stop = Stop::new(prior, Keep::those(&retained));
    let stopped = run.ports.registry.stop(&stop).await;
    let evidence = match run.ports.registry.confirm_stopped(&stop, deadline).await {
        Ok(evidence) => evidence,
        Err(failure) => {
            let failure = match stopped {
                Err(stop) => Failure::from(stop).because(failure.to_string()),
                Ok(()) => failure,
            };
            return Err(failure);
        }
    };
    let now = run.ports.registry.read().await?;
    run.saw_traffic(Some(&now));
    if now.status == TrafficStatus::Enabled {
        let what = "the registry still sends traffic to the model";
        return Err(Failure::conflict(what));
    }
    run.progress = Progress::Fenced {
        restore: prior.clone(),
        retained,
        is_proved: true,
    };
    run.emit(Event::Note {
        text: "the model is out of traffic again".to_owned(),
    });
    Ok((evidence, Some(now)))
}

/// Labels the pods that had stayed in traffic once more, since a driver takes labels off when it gives the whole model back. None
/// where that fails: then those pods are taken out with the rest.
async fn label_again(run: &mut RunContext<'_>) -> Vec<ServingPod> {
    let retained = run.progress.retained().to_vec();
    match retain::label(run, &retained).await {
        Ok(_) => retained,
        Err(error) => {
            let why = error.into_failure("interrupted");
            run.warn(format!("the good pods are taken out of traffic, too: {why}"));
            Vec::new()
        }
    }
}
