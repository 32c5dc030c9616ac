//! `router-e2e`: a completion through the router is answered, and by the pods that were rolled back to. Step 5 of the
//! runbook's validation, made a proof: a 200 alone may come from another deployment.

mod probe;
mod tie;

use vllm_rollback_plugin::openai::{self, MODELS};
use vllm_rollback_plugin::prelude::*;

parameters! {
    /// What the operator may set.
    pub struct Parameters {
        /// Completions that have to be answered, and to be found in the pods' counters.
        probes: u32 = 2,
        /// Answers that have to be the pods'; 0 for all. Fewer where the router also sends the model's requests elsewhere.
        least: u32 = 0,
        /// How long the router may take to notice the change, in milliseconds: failures until then are tried again.
        visibility_ms: u32 = 10_000,
        /// Longest wait for one answer, in milliseconds.
        timeout_ms: u32 = 10_000,
        /// How long the pods' counters may lag behind the answers, in milliseconds.
        metrics_lag_ms: u32 = 2_000,
        /// The prompt; the runbook's.
        prompt: String = "Test prompt".to_owned(),
        /// Most tokens of one answer.
        max_tokens: u32 = 5,
    }
}

/// The check.
pub struct RouterE2e;

impl Check for RouterE2e {
    type Parameters = Parameters;

    fn manifest() -> Manifest {
        let description = "A completion through the router is answered by the pods that were rolled back to";
        Manifest::new("router-e2e", env!("CARGO_PKG_VERSION"), description)
            .per_release(Phase::Routed)
            .needs(&[Capability::Router, Capability::Metrics])
            .default_timeout_ms(60_000)
    }

    fn run(world: &impl World, context: &Context, parameters: &Parameters) -> Finding {
        if !context.has_router {
            return Err(Verdict::error(
                "no router is configured, so nothing can be sent through one",
            ));
        }
        let model = match &context.model {
            Some(model) => model.clone(),
            None => only_model(world, parameters)?,
        };
        let before = tie::Counters::read(world, &context.pods);
        let probes = probe::run(world, &model, parameters)?;
        tie::evaluate(world, context, &before, &probes, parameters)
    }
}

/// The model to ask for when nobody named it: the only one that the router lists.
fn only_model(world: &impl World, parameters: &Parameters) -> Result<String, Verdict> {
    let unknown = |why: String| Verdict::inconclusive(format!("which model to ask for is not known: {why}"));
    let answer = world
        .send(Request::get(Target::Router, MODELS).timeout_ms(parameters.timeout_ms))
        .map_err(|error| error.tells_nothing(&format!("GET {MODELS} at the router")))?;
    if answer.status != 200 {
        return Err(unknown(format!(
            "the router's {MODELS} answered {}",
            openai::refusal(&answer)
        )));
    }
    match openai::models(&answer.body).map_err(unknown)?.as_slice() {
        [only] => Ok(only.id.clone()),
        [] => Err(unknown("the router lists no model".to_owned())),
        several => Err(unknown(format!("the router lists {} models", several.len()))),
    }
}

vllm_rollback_plugin::export_check!(RouterE2e);

#[cfg(test)]
mod tests;
