//! `unlock`: removes a lock that a dead run left, or, by force, anybody's.

use serde_json::json;

use crate::context::RunContext;
use crate::failure::Failure;
use crate::ports::{LockError, Ports};
use crate::report::{ExitCode, RunReport, StateName};
use crate::request::Request;
use crate::states::unchanged;
use crate::step_error::StepError;

/// Removes the lock. Without `force` only one whose holder is dead. A run that is alive after all notices before its next
/// change, and stops. Ends `done` (0) or `unchanged` (1, 12).
pub async fn unlock(ports: &Ports<'_>, request: &Request, force: bool) -> RunReport {
    let mut run = RunContext::new(*ports, request);
    match remove(&mut run, force).await {
        Ok(line) => run.close(StateName::Done, ExitCode::Success, line).await,
        Err(failure) => {
            let error = StepError::Failed(failure);
            run.say_failed(&error);
            unchanged::enter(run, error).await
        }
    }
}

async fn remove(run: &mut RunContext<'_>, force: bool) -> Result<String, Failure> {
    let release = &run.request.release;
    if !force {
        run.ports.lock.assert_expired().await.map_err(|error| match error {
            LockError::Failed(failure) => failure,
            LockError::NotOurs(failure) => {
                let by_force = release.command("unlock", "") + " --force --reason \"…\"";
                failure.next(format!("when that run is dead for sure: {by_force}"))
            }
        })?;
    }
    let step = run.begin(StateName::Done, "removing the lock", None);
    let why = run.request.reason.clone().unwrap_or_default();
    let key = format!("unlock {}", run.request.run_id);
    run.intend(&step, key, json!({ "force": force, "reason": why })).await?;
    let held_by = run.ports.lock.force_release().await?;
    let release = &run.request.release;
    run.next.push(release.command("status", ""));
    let line = match held_by.first() {
        None => "nobody held the lock".to_owned(),
        Some(holder) => format!("the lock is removed: {holder}"),
    };
    let evidence = if held_by.is_empty() {
        vec![line.clone()]
    } else {
        held_by
    };
    run.reached(step, evidence).await;
    Ok(line)
}
