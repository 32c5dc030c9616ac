//! validated: the direct checks passed while the model is still out of traffic.

use serde_json::json;

use crate::check::{CheckContext, Phase};
use crate::context::RunContext;
use crate::plan::Plan;
use crate::release::ReleaseRecord;
use crate::report::StateName;
use crate::run_checks::{changed_pods, checks_pass, context};
use crate::states::fenced::Fenced;
use crate::states::locked::Baseline;
use crate::states::ready::{Serving, overtaken};
use crate::step_error::StepError;
use crate::traffic::{TrafficState, TrafficStatus};
use crate::wait::or_interrupted;

/// Proof that the serving pods passed: only this file makes one, and nothing is let back into traffic without
/// (invariant I1).
#[derive(Debug)]
pub(crate) struct Validated {
    context: CheckContext,
}

impl Validated {
    /// Returns the facts that were handed to the checks.
    pub(crate) fn context(&self) -> &CheckContext {
        &self.context
    }
}

/// Checks the pods, and looks afterwards that they are still the same ones.
pub(crate) async fn enter(
    run: &mut RunContext<'_>,
    plan: &Plan,
    baseline: &Baseline,
    fenced: &Fenced,
    record: &ReleaseRecord,
    serving: Serving,
) -> Result<Validated, StepError> {
    let step = run.begin(StateName::Validated, "checking the pods before they get traffic", None);
    run.intend(&step, format!("check {} directly", record.revision), json!({}))
        .await?;
    let model = plan.preflight.model.as_deref();
    let expected = if fenced.retained().is_empty() {
        out_of_traffic(&baseline.prior)
    } else {
        TrafficStatus::Partial.as_str()
    };
    let context = context(run.request, model, record, serving.pods(), expected);
    let mut evidence = checks_pass(run, &plan.checks, Phase::Direct, &context).await?;
    let ports = run.ports;
    let now = or_interrupted(ports.interrupt, ports.workloads.serving_pods(record)).await??;
    if let Some(changed) = changed_pods(&record.release, serving.pods(), &now) {
        return Err(StepError::CheckFailed(changed));
    }
    evidence.push(format!("the same {} serve as before the checks", pods(now.len())));
    if let Some(overtaken) = or_interrupted(ports.interrupt, overtaken(run, record)).await?? {
        return Err(overtaken.into());
    }
    evidence.push(format!("revision {} is still the newest", record.revision));
    run.reached(step, evidence).await;
    Ok(Validated { context })
}

/// The word the registry says while the model is fenced: its own for a model that was out of traffic before.
fn out_of_traffic(prior: &TrafficState) -> &str {
    match &prior.status {
        TrafficStatus::Enabled => TrafficStatus::Disabled.as_str(),
        other => other.as_str(),
    }
}

fn pods(count: usize) -> String {
    if count == 1 {
        "pod".to_owned()
    } else {
        format!("{count} pods")
    }
}
