//! locked: the lock is ours, the journal is open, and the plan is still true.

use futures::{join, try_join};
use serde_json::json;

use crate::context::RunContext;
use crate::failure::Failure;
use crate::journal::RunSummary;
use crate::ledger::WriteAccess;
use crate::plan::Plan;
use crate::ports::{LockError, LockRequest};
use crate::release::{ReleaseRecord, Revision};
use crate::report::StateName;
use crate::resume::earlier;
use crate::step_error::StepError;
use crate::traffic::TrafficState;

/// Facts that the run rests on, read while the lock is held.
#[derive(Debug)]
pub(crate) struct Baseline {
    /// The newest revision.
    pub(crate) current: ReleaseRecord,
    /// Revision that the run goes to.
    pub(crate) target: ReleaseRecord,
    /// The revision that is left: the current one, or the one that an earlier run left.
    pub(crate) left: Revision,
    /// Traffic as it was found.
    pub(crate) found: TrafficState,
    /// State of traffic that must be restored in the end.
    pub(crate) prior: TrafficState,
    /// Revision that Helm goes to first.
    pub(crate) step_back: Option<ReleaseRecord>,
    /// Helm's part was done by an earlier run.
    pub(crate) is_continued: bool,
}

/// Takes the lock and looks again at everything the plan rests on: between plan and lock, a person was asked.
pub(crate) async fn enter(run: &mut RunContext<'_>, plan: &Plan) -> Result<Baseline, StepError> {
    let step = run.begin(StateName::Locked, "taking the lock on the release", None);
    let mut evidence = lock(run).await?;
    run.intend(&step, format!("plan {}", plan.digest), json!({ "plan": plan.digest }))
        .await?;
    let baseline = observe(run, plan).await?;
    evidence.push(format!(
        "revision {} is still the newest, and {} in traffic",
        plan.current.revision,
        baseline.prior.status.as_str()
    ));
    run.write(|report| report.from_revision = Some(baseline.left));
    run.ledger.summary = Some(RunSummary {
        run_id: run.request.run_id.clone(),
        started: run.started.clone(),
        from: baseline.left.0,
        to: baseline.target.revision.0,
        step_back: plan.step_back.as_ref().map(|back| back.to.0),
        spares: !plan.spares.is_empty(),
        state: StateName::Locked,
        exit_code: None,
        summary: run.request.reason.clone().unwrap_or_default(),
        by: run.request.by.clone(),
    });
    run.reached(step, evidence).await;
    Ok(baseline)
}

/// Takes the lock and reads the memory that it guards.
pub(crate) async fn lock(run: &mut RunContext<'_>) -> Result<Vec<String>, Failure> {
    let claim = LockRequest {
        run_id: run.request.run_id.clone(),
        by: run.request.by.clone(),
        reason: run.request.reason.clone(),
    };
    let evidence = match run.ports.lock.acquire(&claim).await {
        Ok(evidence) => evidence,
        // Another's is never given back.
        Err(LockError::NotOurs(failure)) => return Err(failure),
        Err(LockError::Failed(failure)) => {
            if let Err(also) = run.ports.lock.release().await {
                run.warn(format!(
                    "if the lock was taken after all, it runs out by itself: {also}"
                ));
            }
            return Err(failure);
        }
    };
    run.ledger.access = WriteAccess::Locked;
    let run_state = run.ports.journal.load_state().await?;
    run.ledger.open(run_state);
    Ok(evidence)
}

/// The lock is asked for before every step that changes something.
pub(crate) async fn assert_held(run: &mut RunContext<'_>) -> Result<(), StepError> {
    match run.ports.lock.assert_held().await {
        Ok(()) => Ok(()),
        Err(LockError::NotOurs(failure)) => {
            run.ledger.access = WriteAccess::Lost;
            Err(StepError::LockLost(failure))
        }
        Err(LockError::Failed(failure)) => Err(failure.into()),
    }
}

async fn observe(run: &mut RunContext<'_>, plan: &Plan) -> Result<Baseline, StepError> {
    let ports = run.ports;
    let records = async {
        let history = ports.releases.history().await?;
        let newest = history.iter().max_by_key(|summary| summary.revision);
        let newest = newest.map(|s| (s.revision, s.status));
        if newest != Some((plan.current.revision, plan.current.status)) {
            let now = newest.map_or_else(
                || "gone".to_owned(),
                |(r, status)| format!("at revision {r} ({status})"),
            );
            return Err(StepError::Stale(stale(plan, &format!("the release is {now}"))));
        }
        let (current, target) = try_join!(
            ports.releases.record(plan.current.revision),
            ports.releases.record(plan.target)
        )?;
        let step_back = match &plan.step_back {
            Some(back) => Some(ports.releases.record(back.to).await?),
            None => None,
        };
        Ok((current, target, step_back))
    };
    let (records, found) = join!(records, ports.registry.read());
    let (current, target, step_back) = records?;
    let found = found?;
    run.found_traffic(&found);
    if target.manifest_sha256 != plan.target_manifest_sha256 {
        let what = format!("revision {} has another manifest", plan.target);
        return Err(StepError::Stale(stale(plan, &what)));
    }
    let prior = earlier::restore_point(&run.ledger.run_state, found.clone(), ports.registry)?;
    let planned = (&plan.traffic.driver, &plan.traffic.status, &plan.traffic.endpoint);
    if planned != (&prior.state.driver, &prior.state.status, &prior.state.endpoint) {
        let what = format!("the model is {} in the registry", prior.state.status.as_str());
        return Err(StepError::Stale(stale(plan, &what)));
    }
    let continued =
        earlier::completed(&run.ledger.run_state, &current, current.rolled_back_to).filter(|c| c.target == plan.target);
    let run_id = continued.as_ref().map(|c| c.run_id.clone());
    if run_id != plan.continues {
        let what = "another run ended meanwhile";
        return Err(StepError::Stale(stale(plan, what)));
    }
    if let Some(taken_by) = prior.taken_by {
        let word = prior.state.status.as_str();
        run.note(format!(
            "run {taken_by} took the model out of traffic and held it; it was {word} before"
        ));
    }
    Ok(Baseline {
        left: continued.as_ref().map_or(current.revision, |c| c.left),
        is_continued: continued.is_some(),
        current,
        target,
        step_back,
        found,
        prior: prior.state,
    })
}

fn stale(plan: &Plan, what: &str) -> Failure {
    Failure::conflict("the plan is no longer true, so nothing was done")
        .because(what)
        .because(format!(
            "it was made for revision {} ({}), with the model {} in the registry",
            plan.current.revision,
            plan.current.status,
            plan.traffic.status.as_str()
        ))
        .next(plan.release.hint("look at the new plan", "plan"))
        .next(plan.release.command("", ""))
}
