//! `registry enable` and `registry disable`: taking the model out of rotation by hand, or putting it back, under the
//! same lock and with the same proof as a run.

use serde_json::json;

use crate::context::RunContext;
use crate::ports::Ports;
use crate::progress::Progress;
use crate::report::{ExitCode, RunReport, StateName};
use crate::request::Request;
use crate::states::fenced::undo;
use crate::states::locked::{assert_held, lock};
use crate::step_error::StepError;
use crate::traffic::{Keep, Stop, TrafficState, TrafficStatus};
use crate::wait::or_interrupted;

/// Change of traffic that the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficAction {
    /// The model gets traffic, as it had it before somebody took it away.
    Enable,
    /// The model gets none, until `registry enable`: a rollback does not give it back.
    Disable,
}

/// Puts the model into or out of traffic and waits for the proof. Ends `done` (exit 0), `unchanged` (1, 12 when
/// another run holds the lock), or `unknown` (13) when what is true now could not be observed.
pub async fn set_traffic(ports: &Ports<'_>, request: &Request, action: TrafficAction) -> RunReport {
    let mut run = RunContext::new(*ports, request);
    match change(&mut run, action).await {
        Ok(line) => run.close(StateName::Done, ExitCode::Success, line).await,
        Err(error) => give_up(run, error).await,
    }
}

async fn change(run: &mut RunContext<'_>, action: TrafficAction) -> Result<String, StepError> {
    let ports = run.ports;
    run.assert_not_interrupted()?;
    let step = run.begin(StateName::Locked, "taking the lock on the release", None);
    let evidence = lock(run).await?;
    run.mark(step, evidence);
    let found = ports.registry.read().await?;
    run.found_traffic(&found);
    match action {
        TrafficAction::Disable => disable(run, found).await,
        TrafficAction::Enable => enable(run, found).await,
    }
}

async fn disable(run: &mut RunContext<'_>, found: TrafficState) -> Result<String, StepError> {
    let deadline = run.request.deadlines.registry;
    let held = run.ledger.run_state.held.as_ref().map(|held| held.prior.clone());
    if !found.status.serves_traffic() && !held.as_ref().is_some_and(|held| is_way_back(held, &found)) {
        // A driver that cannot enable a model has not disabled it either, and must not seem to have.
        run.ports.registry.enabled(&found)?;
    }
    let step = run.begin(StateName::Fenced, "taking the model out of traffic", Some(deadline));
    // What a run took away is given back as it was before that run, not as the run left it.
    let prior = match held {
        Some(prior) if found.status != TrafficStatus::Enabled => prior,
        _ => found.clone(),
    };
    assert_held(run).await?;
    let key = format!("disable {}", run.request.run_id);
    run.intend(&step, key, json!({ "prior": prior })).await?;
    let reason = run
        .request
        .reason
        .clone()
        .unwrap_or_else(|| format!("disabled by {}", run.request.by));
    run.ledger.run_state.held = Some(run.held(&reason, prior.clone()));
    run.save_state().await?;
    if found.status.serves_traffic() {
        run.progress = Progress::Fenced {
            restore: found.clone(),
            retained: Vec::new(),
            is_proved: false,
        };
        if let Err(failure) = run.ports.registry.stop(&Stop::new(&found, Keep::Nothing)).await {
            undo(run, &found).await;
            return Err(failure.into());
        }
    } else {
        run.note(format!("the model was {} already", found.status.as_str()));
    }
    let stop = Stop::new(&prior, Keep::Nothing);
    let confirming = run.ports.registry.confirm_stopped(&stop, deadline);
    let evidence = or_interrupted(run.ports.interrupt, confirming).await??;
    run.reached(step, evidence).await;
    let now = run.ports.registry.read().await?;
    run.saw_traffic(Some(&now));
    run.next.push(run.request.release.command("registry enable", ""));
    Ok("the model is out of traffic".to_owned())
}

async fn enable(run: &mut RunContext<'_>, found: TrafficState) -> Result<String, StepError> {
    let deadline = run.request.deadlines.registry;
    let step = run.begin(StateName::Unfenced, "putting the model into traffic", Some(deadline));
    let wanted = match &run.ledger.run_state.held {
        _ if found.status == TrafficStatus::Enabled => found.clone(),
        Some(held) if is_way_back(&held.prior, &found) => held.prior.clone(),
        _ => run.ports.registry.enabled(&found)?,
    };
    if let Some(held) = &run.ledger.run_state.held {
        let line = format!(
            "run {} held the model since {}: {}",
            held.run_id, held.since, held.reason
        );
        run.note(line);
    }
    assert_held(run).await?;
    let key = format!("enable {}", run.request.run_id);
    run.intend(&step, key, json!({ "wanted": wanted })).await?;
    if found.status == TrafficStatus::Enabled {
        run.note("the model was enabled already");
    } else {
        run.progress = Progress::Unfenced {
            restore: found,
            retained: Vec::new(),
        };
        run.ports.registry.restore(&wanted).await?;
    }
    let confirming = run.ports.registry.confirm_resumed(&wanted, deadline);
    let evidence = or_interrupted(run.ports.interrupt, confirming).await??;
    run.reached(step, evidence).await;
    run.ledger.run_state.held = None;
    run.ledger.end_is_due();
    let now = run.ports.registry.read().await?;
    run.saw_traffic(Some(&now));
    for line in run.ports.registry.post_run_notes().await {
        run.note(line);
    }
    let release = &run.request.release;
    run.next
        .push(release.hint("no check ran; to check what serves now", "validate"));
    Ok("the model is in traffic".to_owned())
}

/// Says whether the remembered state tells how this driver had the model in traffic.
fn is_way_back(prior: &TrafficState, found: &TrafficState) -> bool {
    prior.status == TrafficStatus::Enabled && prior.driver == found.driver
}

/// Nothing was changed, or it is looked up what was.
async fn give_up(mut run: RunContext<'_>, error: StepError) -> RunReport {
    run.say_failed(&error);
    let mut exit_code = error.exit_unchanged();
    let mut outcome = StateName::Unchanged;
    let is_interrupted = matches!(error, StepError::Interrupted);
    let mut failure = error.into_failure("interrupted");
    if run.progress.has_changed_something() {
        let now = run.ports.registry.read().await;
        run.saw_traffic(now.as_ref().ok());
        let is_as_found = |now: &TrafficState| run.found.as_ref().is_some_and(|found| found.is_same(now));
        // The registry is as it was found, but a wait was cut short or a write may still come.
        if is_interrupted || !now.as_ref().is_ok_and(is_as_found) {
            failure = failure.because(match now {
                Ok(now) => format!("the registry says {} now", now.status.as_str()),
                Err(unread) => format!("what the registry says now is unknown: {unread}"),
            });
            (outcome, exit_code) = (StateName::Unknown, ExitCode::Unknown);
        }
    } else {
        run.ledger.take_back();
    }
    run.next = std::mem::take(&mut failure.next);
    run.next.push(run.request.release.command("registry status", ""));
    run.close_failed(outcome, exit_code, failure).await
}
