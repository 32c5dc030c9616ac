//! Suspending the GitOps controller that owns the release, so that it does not put the bad version back under the run.
//! It stays suspended when the run is over: what it would put back is what Git says, and only a person can change that.

use serde_json::json;

use crate::context::RunContext;
use crate::plan::Plan;
use crate::report::StateName;
use crate::request::{Override, Request};
use crate::states::locked::assert_held;
use crate::step_error::StepError;
use crate::workload::{GitOpsOwner, Preflight};

/// The controller that this run suspends: one that is at work, when the operator wants it and it can be done.
pub(crate) fn suspends<'a>(request: &Request, preflight: &'a Preflight) -> Option<&'a GitOpsOwner> {
    let owner = preflight.gitops.as_ref()?;
    let is_at_work = owner.is_suspended == Some(false) && owner.hindrance.is_none();
    (request.accepts(Override::SuspendGitOps) && is_at_work).then_some(owner)
}

/// Suspends it, if this run does. Written down before, with what brings it back.
pub(crate) async fn suspend(run: &mut RunContext<'_>, plan: &Plan) -> Result<(), StepError> {
    let Some(owner) = suspends(run.request, &plan.preflight) else {
        return Ok(());
    };
    run.assert_not_interrupted()?;
    let step = run.begin(StateName::Locked, format!("suspending {}", owner.what), None);
    assert_held(run).await?;
    let key = format!("suspend {} {}", owner.path, run.request.run_id);
    run.intend(&step, key, json!({ "gitops": owner })).await?;
    // Also when it fails: the answer may have been lost.
    run.suspended = Some(owner.clone());
    let evidence = run.ports.workloads.suspend(owner, &run.request.run_id).await?;
    run.observed(&step, evidence).await;
    run.note(format!(
        "this run suspended {}, and leaves it so: it puts the bad version back once it goes on",
        owner.what
    ));
    Ok(())
}
