//! A run: its states in order.

use crate::context::RunContext;
use crate::gitops;
use crate::plan::Plan;
use crate::ports::Ports;
use crate::progress::Progress;
use crate::release::ReleaseRecord;
use crate::report::RunReport;
use crate::request::Request;
use crate::states::fenced::Fenced;
use crate::states::locked::Baseline;
use crate::states::validated::Validated;
use crate::states::{
    confirmed, done, fenced, held, locked, planned, ready, rolled_back, unchanged, unfenced, unknown, validated,
};
use crate::step_error::StepError;

/// Carries a plan out and says everything of it in the report, also when it fails. The plan is checked again once the
/// lock is held: when what it rests on has changed, nothing is done (exit 15).
pub async fn rollback(ports: &Ports<'_>, request: &Request, plan: Plan) -> RunReport {
    let mut run = RunContext::new(*ports, request);
    run.write(|report| {
        report.from_revision = Some(plan.current.revision);
        report.to_revision = Some(plan.target);
        report.checks_planned.clone_from(&plan.checks);
    });
    match execute(&mut run, &plan).await {
        Ok(baseline) => done::enter(run, &baseline).await,
        Err(error) => finish_failed(run, error).await,
    }
}

async fn execute(run: &mut RunContext<'_>, plan: &Plan) -> Result<Baseline, StepError> {
    planned::enter(run, plan)?;
    let baseline = locked::enter(run, plan).await?;
    gitops::suspend(run, plan).await?;
    let fenced = fenced::enter(run, plan, &baseline).await?;
    let record = rolled_back::enter(run, plan, &baseline, &fenced).await?;
    let validated = match validate_target(run, plan, &baseline, &fenced, &record).await {
        Ok(validated) => validated,
        Err(error) => return Err(ready::attribute_to_concurrent_helm(run, &record, error).await),
    };
    unfenced::enter(run, &baseline, &fenced, &validated).await?;
    confirmed::enter(run, plan, &baseline, &validated).await?;
    Ok(baseline)
}

async fn validate_target(
    run: &mut RunContext<'_>,
    plan: &Plan,
    baseline: &Baseline,
    fenced: &Fenced,
    record: &ReleaseRecord,
) -> Result<Validated, StepError> {
    let serving = ready::enter(run, plan, baseline, fenced, record).await?;
    validated::enter(run, plan, baseline, fenced, record, serving).await
}

async fn finish_failed(run: RunContext<'_>, error: StepError) -> RunReport {
    run.say_failed(&error);
    match (run.progress.clone(), error) {
        (Progress::Unchanged | Progress::Requested, error) => unchanged::enter(run, error).await,
        (_, StepError::LockLost(failure)) => unknown::enter(run, failure).await,
        (Progress::Fenced { restore, .. } | Progress::Unfenced { restore, .. }, error) => {
            held::enter(run, restore, error).await
        }
    }
}
