//! `registry enable` and `registry disable`: an operator's own hand on the model's traffic, under the same lock and
//! with the same proof as a run.

use serde_json::json;

use crate::event::Event;
use crate::failure::Failure;
use crate::ports::World;
use crate::report::{ExitCode, RunReport, StateName};
use crate::request::Request;
use crate::run::{Grip, Run};
use crate::setback::Setback;
use crate::states::fenced::undo;
use crate::states::locked::{assert_held, lock};
use crate::traffic::{TrafficState, TrafficStatus};
use crate::wait::unless_asked_to_stop;

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficWish {
    /// The model gets traffic, as it had it before somebody took it away.
    Enable,
    /// The model gets none, until `registry enable`: a rollback does not give it back.
    Disable,
}

/// Puts the model into or out of traffic and waits for the proof. Ends `done` (exit 0), `unchanged` (1, 12 when
/// another run holds the lock), or `unknown` (13) when what is true now could not be observed.
pub async fn set_traffic(world: &World<'_>, request: &Request, wish: TrafficWish) -> RunReport {
    let mut run = Run::new(*world, request);
    match change(&mut run, wish).await {
        Ok(line) => run.close(StateName::Done, ExitCode::Success, line).await,
        Err(setback) => give_up(run, setback).await,
    }
}

async fn change(run: &mut Run<'_>, wish: TrafficWish) -> Result<String, Setback> {
    let world = run.world;
    if world.interrupt.is_asked() {
        return Err(Setback::Interrupted);
    }
    let step = run.begin(StateName::Locked, "taking the lock on the release", None);
    let evidence = lock(run).await?;
    run.mark(step, evidence);
    let found = world.registry.read().await?;
    run.report.traffic_before = Some(found.clone());
    run.report.traffic_after = Some(found.clone());
    match wish {
        TrafficWish::Disable => disable(run, found).await,
        TrafficWish::Enable => enable(run, found).await,
    }
}

async fn disable(run: &mut Run<'_>, found: TrafficState) -> Result<String, Setback> {
    let deadline = run.request.deadlines.registry;
    let held = run.memory.held.as_ref().map(|held| held.prior.clone());
    if !found.status.lets_in() && !held.as_ref().is_some_and(|held| is_way_back(held, &found)) {
        // A driver that cannot enable a model has not disabled it either, and must not seem to have.
        run.world.registry.enabled(&found)?;
    }
    let step = run.begin(StateName::Fenced, "taking the model out of traffic", Some(deadline));
    // What a run took away is given back as it was before that run, not as the run left it.
    let prior = match held {
        Some(prior) if found.status != TrafficStatus::Enabled => prior,
        _ => found.clone(),
    };
    assert_held(run).await?;
    run.intend(
        &step,
        format!("disable {}", run.request.run_id),
        json!({ "prior": prior }),
    )
    .await?;
    let reason = run
        .request
        .reason
        .clone()
        .unwrap_or_else(|| format!("disabled by {}", run.request.by));
    run.memory.held = Some(run.held(&reason, prior.clone()));
    run.remember().await?;
    if found.status.lets_in() {
        run.grip = Grip::Taken;
        if let Err(failure) = run.world.registry.stop(&found).await {
            undo(run, &found).await;
            return Err(failure.into());
        }
    } else {
        run.note(format!("the model was {} already", found.status.word()));
    }
    let confirming = run.world.registry.confirm_stopped(deadline);
    let evidence = unless_asked_to_stop(run.world.interrupt, confirming).await??;
    run.reached(step, evidence).await;
    run.report.traffic_after = Some(run.world.registry.read().await?);
    run.report.next.push(run.request.release.command("registry enable", ""));
    Ok("the model is out of traffic".to_owned())
}

async fn enable(run: &mut Run<'_>, found: TrafficState) -> Result<String, Setback> {
    let deadline = run.request.deadlines.registry;
    let step = run.begin(StateName::Unfenced, "putting the model into traffic", Some(deadline));
    let wanted = match &run.memory.held {
        _ if found.status == TrafficStatus::Enabled => found.clone(),
        Some(held) if is_way_back(&held.prior, &found) => held.prior.clone(),
        _ => run.world.registry.enabled(&found)?,
    };
    if let Some(held) = &run.memory.held {
        let line = format!(
            "run {} held the model since {}: {}",
            held.run_id, held.since, held.reason
        );
        run.note(line);
    }
    assert_held(run).await?;
    run.intend(
        &step,
        format!("enable {}", run.request.run_id),
        json!({ "wanted": wanted }),
    )
    .await?;
    if found.status == TrafficStatus::Enabled {
        run.note("the model was enabled already");
    } else {
        run.grip = Grip::Taken;
        run.world.registry.resume_to(&wanted).await?;
    }
    let confirming = run.world.registry.confirm_resumed(&wanted, deadline);
    let evidence = unless_asked_to_stop(run.world.interrupt, confirming).await??;
    run.reached(step, evidence).await;
    run.memory.held = None;
    run.must_remember = true;
    run.report.traffic_after = Some(run.world.registry.read().await?);
    for line in run.world.registry.afterwards().await {
        run.note(line);
    }
    let validate = run.request.release.command("validate", "");
    run.report
        .next
        .push(format!("no check ran; to check what serves now: {validate}"));
    Ok("the model is in traffic".to_owned())
}

/// What is remembered says how this driver had the model in traffic.
fn is_way_back(prior: &TrafficState, found: &TrafficState) -> bool {
    prior.status == TrafficStatus::Enabled && prior.driver == found.driver
}

/// Nothing was changed, or it is looked up what was.
async fn give_up(mut run: Run<'_>, setback: Setback) -> RunReport {
    if let Some(failure) = setback.failure() {
        run.say(Event::Failed {
            failure: failure.clone(),
        });
    }
    let mut exit_code = setback.exit_unchanged();
    let mut outcome = StateName::Unchanged;
    let is_interrupted = matches!(setback, Setback::Interrupted);
    let mut failure = setback.into_failure("interrupted");
    if run.grip == Grip::Untouched {
        run.memory = run.memory_before.clone();
    } else {
        let before = run.report.traffic_before.clone();
        let is_as_found = |now: &TrafficState| before.as_ref().is_some_and(|before| before.is_same(now));
        match run.world.registry.read().await {
            // The registry is as it was found, but a wait was cut short or a write may still come.
            Ok(now) if is_as_found(&now) && !is_interrupted => run.report.traffic_after = Some(now),
            Ok(now) => {
                failure = failure.because(format!("the registry says {} now", now.status.word()));
                run.report.traffic_after = Some(now);
                (outcome, exit_code) = (StateName::Unknown, ExitCode::Unknown);
            }
            Err(unread) => {
                failure = failure.because(format!("what the registry says now is unknown: {unread}"));
                run.report.traffic_after = None;
                (outcome, exit_code) = (StateName::Unknown, ExitCode::Unknown);
            }
        }
    }
    end(run, outcome, exit_code, failure).await
}

async fn end(mut run: Run<'_>, outcome: StateName, exit_code: ExitCode, mut failure: Failure) -> RunReport {
    run.report.next = std::mem::take(&mut failure.next);
    run.report.next.push(run.request.release.command("registry status", ""));
    let line = failure.to_string();
    run.report.failure = Some(failure);
    run.close(outcome, exit_code, line).await
}
