//! unfenced: the registry is as it was found, and that is proved.

use serde_json::json;

use crate::context::RunContext;
use crate::progress::Progress;
use crate::report::StateName;
use crate::states::locked::{Baseline, assert_held};
use crate::states::validated::Validated;
use crate::step_error::StepError;
use crate::traffic::TrafficStatus;
use crate::wait::or_interrupted;

/// Gives back what was taken. Asks for the proof that the pods passed.
pub(crate) async fn enter(
    run: &mut RunContext<'_>,
    baseline: &Baseline,
    _validated: &Validated,
) -> Result<(), StepError> {
    let deadline = run.request.deadlines.registry;
    let word = baseline.prior.status.as_str().to_owned();
    let doing = format!("setting the registry back to {word}");
    let step = run.begin(StateName::Unfenced, doing, Some(deadline));
    run.assert_not_interrupted()?;
    assert_held(run).await?;
    let key = format!("unfence {} {}", baseline.prior.driver, run.request.run_id);
    run.intend(&step, key, json!({ "prior": baseline.prior })).await?;
    if baseline.prior.status == TrafficStatus::Enabled {
        // From here on a failure takes the model out again, also when the answer to this very write is lost.
        let restore = baseline.prior.clone();
        run.progress = Progress::Unfenced { restore };
        run.ports.registry.restore(&baseline.prior).await?;
    }
    let confirming = run.ports.registry.confirm_resumed(&baseline.prior, deadline);
    let mut evidence = or_interrupted(run.ports.interrupt, confirming).await??;
    evidence.insert(0, format!("the registry says {word} again"));
    run.reached(step, evidence).await;
    Ok(())
}
