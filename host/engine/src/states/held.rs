//! held: the model stays out of traffic, with a reason. Says so only when it was seen to be out.

use crate::event::Event;
use crate::failure::{Failure, FailureKind};
use crate::report::{RunReport, StateName};
use crate::run::{Grip, Run};
use crate::setback::Setback;
use crate::states::locked::assert_held;
use crate::states::{spare, unknown};
use crate::traffic::{TrafficState, TrafficStatus};

/// Makes sure that the model is out of traffic, remembers what to give back, and ends the run.
pub(crate) async fn enter(mut run: Run<'_>, setback: Setback) -> RunReport {
    let Some(prior) = run.prior.clone() else {
        let failure = setback.into_failure("interrupted");
        return unknown::enter(
            run,
            failure.because("what the registry said before the run was not read"),
        )
        .await;
    };
    let is_interrupted = matches!(setback, Setback::Interrupted);
    let exit_code = setback.exit_held();
    let mut failure = setback.into_failure("interrupted after the model was taken out of traffic");
    let step = run.begin(
        StateName::Held,
        "keeping the model out of traffic",
        Some(run.request.deadlines.registry),
    );
    let evidence = match keep_out(&mut run, &prior).await {
        Ok(evidence) => evidence,
        Err(trouble) => {
            failure = failure.because(format!(
                "and the model could not be proved to be out of traffic: {trouble}"
            ));
            return unknown::enter(run, failure).await;
        }
    };
    spare::tell(&mut run);
    let release = &run.request.release;
    let mut next = std::mem::take(&mut failure.next);
    next.retain(|step| *step != release.command("", ""));
    if is_interrupted {
        next.insert(0, format!("finish it: {}", release.command("resume", "")));
        next.insert(1, format!("or end it as it is: {}", release.command("abort", "")));
    } else if !next.iter().any(|step| step.contains(&release.command("", ""))) {
        next.push(format!(
            "once the trouble is gone, continue: {}",
            release.command("", "")
        ));
    }
    next.push(format!(
        "let it serve as it is, unchecked: {}",
        release.command("registry enable", "")
    ));
    run.report.next = next;

    run.memory.held = Some(run.held(&failure.to_string(), prior));
    let line = failure.to_string();
    run.report.failure = Some(failure);
    run.mark(step, evidence);
    run.close(StateName::Held, exit_code, line).await
}

/// The model is out of traffic: seen to be, or taken out again. Evidence lines.
async fn keep_out(run: &mut Run<'_>, prior: &TrafficState) -> Result<Vec<String>, Failure> {
    if run.grip == Grip::GivenBack {
        return take_out_again(run, prior).await;
    }
    match run.world.registry.read().await {
        Ok(now) if now.status == TrafficStatus::Enabled => {
            run.warn("the registry sends traffic to the model, although it was taken out: taking it out again");
            take_out_again(run, prior).await
        }
        Ok(now) => {
            let line = format!("the registry says {} ({})", now.status.word(), now.driver);
            let mut evidence = vec![line];
            evidence.extend(now.evidence.iter().cloned());
            if !run.is_fence_proved {
                evidence.push("that routers and caches followed is not proved".to_owned());
            }
            run.report.traffic_after = Some(now);
            Ok(evidence)
        }
        Err(failure) if run.is_fence_proved => {
            run.report.traffic_after = None;
            run.warn(format!("the registry could not be read once more: {failure}"));
            Ok(vec![
                "proved to be out of traffic earlier in this run, and not given back since".to_owned(),
            ])
        }
        Err(failure) => Err(failure),
    }
}

async fn take_out_again(run: &mut Run<'_>, prior: &TrafficState) -> Result<Vec<String>, Failure> {
    let deadline = run.request.deadlines.registry;
    if let Err(Setback::LockLost(failure)) = assert_held(run).await {
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
    let stopped = run.world.registry.stop(prior).await;
    let evidence = match run.world.registry.confirm_stopped(deadline).await {
        Ok(evidence) => evidence,
        Err(failure) => {
            let failure = match stopped {
                Err(stop) => stop.because(failure.to_string()),
                Ok(()) => failure,
            };
            return Err(failure);
        }
    };
    let now = run.world.registry.read().await?;
    let status = now.status.clone();
    run.report.traffic_after = Some(now);
    if status == TrafficStatus::Enabled {
        let what = "the registry still sends traffic to the model";
        return Err(Failure::new(FailureKind::Conflict, what));
    }
    run.grip = Grip::Taken;
    run.is_fence_proved = true;
    run.say(Event::Note {
        text: "the model is out of traffic again".to_owned(),
    });
    Ok(evidence)
}
