//! confirmed: the routed checks passed, through the router and on live traffic's way.

use serde_json::json;

use crate::check::{CheckContext, Phase};
use crate::report::StateName;
use crate::run::Run;
use crate::setback::Setback;
use crate::states::locked::Basis;
use crate::states::validated::{Proof, checks_pass};
use crate::traffic::TrafficStatus;

/// Checks through the router, when the model is in traffic. A failure takes the model out again.
pub(crate) async fn enter(run: &mut Run<'_>, basis: &Basis, proof: &Proof) -> Result<(), Setback> {
    let step = run.begin(StateName::Confirmed, "checking through the router", None);
    if basis.prior.status != TrafficStatus::Enabled {
        let word = basis.prior.status.word();
        let line = format!("checks through the router did not run: the model is {word}, as it was before");
        run.note(line.clone());
        run.reached(step, vec![line]).await;
        return Ok(());
    }
    let context = CheckContext {
        expected_traffic: basis.prior.status.word().to_owned(),
        ..proof.context().clone()
    };
    let key = format!("check {} through the router", context.revision);
    run.intend(&step, key, json!({})).await?;
    let specs = run.report.checks_planned.clone();
    let mut evidence = checks_pass(run, &specs, Phase::Routed, &context).await?;
    if evidence.is_empty() {
        evidence.push("there is no check through a router".to_owned());
    }
    run.reached(step, evidence).await;
    Ok(())
}
