//! confirmed: the routed checks passed, through the router and on live traffic's way.

use serde_json::json;

use crate::check::{CheckContext, Phase};
use crate::context::RunContext;
use crate::plan::Plan;
use crate::report::StateName;
use crate::run_checks::checks_pass;
use crate::states::locked::Baseline;
use crate::states::validated::Validated;
use crate::step_error::StepError;
use crate::traffic::TrafficStatus;

/// Checks through the router, when the model is in traffic. A failure takes the model out again.
pub(crate) async fn enter(
    run: &mut RunContext<'_>,
    plan: &Plan,
    baseline: &Baseline,
    validated: &Validated,
) -> Result<(), StepError> {
    let step = run.begin(StateName::Confirmed, "checking through the router", None);
    if baseline.prior.status != TrafficStatus::Enabled {
        let word = baseline.prior.status.as_str();
        let line = format!("checks through the router did not run: the model is {word}, as it was before");
        run.note(line.clone());
        run.reached(step, vec![line]).await;
        return Ok(());
    }
    let context = CheckContext {
        expected_traffic: baseline.prior.status.as_str().to_owned(),
        ..validated.context().clone()
    };
    let key = format!("check {} through the router", context.revision);
    run.intend(&step, key, json!({})).await?;
    let mut evidence = checks_pass(run, &plan.checks, Phase::Routed, &context).await?;
    if evidence.is_empty() {
        evidence.push("there is no check through a router".to_owned());
    }
    run.reached(step, evidence).await;
    Ok(())
}
