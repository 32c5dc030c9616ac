//! unfenced: the registry is as it was found, and that is proved.

use serde_json::json;

use crate::report::StateName;
use crate::run::{Grip, Run};
use crate::setback::Setback;
use crate::states::locked::{Basis, assert_held};
use crate::states::validated::Proof;
use crate::traffic::TrafficStatus;
use crate::wait::unless_asked_to_stop;

/// Gives back what was taken. Asks for the proof that the pods passed.
pub(crate) async fn enter(run: &mut Run<'_>, basis: &Basis, _proof: &Proof) -> Result<(), Setback> {
    let deadline = run.request.deadlines.registry;
    let word = basis.prior.status.word().to_owned();
    let doing = format!("setting the registry back to {word}");
    let step = run.begin(StateName::Unfenced, doing, Some(deadline));
    if run.world.interrupt.is_asked() {
        return Err(Setback::Interrupted);
    }
    assert_held(run).await?;
    let key = format!("unfence {} {}", basis.prior.driver, run.request.run_id);
    run.intend(&step, key, json!({ "prior": basis.prior })).await?;
    if basis.prior.status == TrafficStatus::Enabled {
        // From here on a failure takes the model out again, also when the answer to this very write is lost.
        run.grip = Grip::GivenBack;
        run.world.registry.resume_to(&basis.prior).await?;
    }
    let confirming = run.world.registry.confirm_resumed(&basis.prior, deadline);
    let mut evidence = unless_asked_to_stop(run.world.interrupt, confirming).await??;
    evidence.insert(0, format!("the registry says {word} again"));
    run.reached(step, evidence).await;
    Ok(())
}
