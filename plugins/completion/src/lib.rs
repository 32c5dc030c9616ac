//! `completion`: each pod completes prompts, with sane text, as the model it should be, in time. Step 3 of the runbook's
//! validation, made strict.
//!
//! A server can answer `/health` and generate nothing, or garbage (vllm-project/vllm#39863, #21034). So the check
//! asks twice, reads the words, and sees the server's own counters rise between the answers.

mod ask;
mod judge;
mod progress;
mod repetition;

use vllm_rollback_plugin::openai::{self, Form, MODELS, Model, Refusal};
use vllm_rollback_plugin::prelude::*;

parameters! {
    /// What the operator may set.
    pub struct Parameters {
        /// Longest time for one whole answer, in milliseconds; the runbook's bound.
        max_latency_ms: u32 = 3_000,
        /// Milliseconds after which an answer is no longer waited for: the server hangs.
        timeout_ms: u32 = 10_000,
        /// First prompt; the runbook's.
        prompt: String = "Hello, how are you?".to_owned(),
        /// Second prompt, which has to differ from the first.
        second_prompt: String = "The capital of France is".to_owned(),
        /// Most tokens of one answer.
        max_tokens: u32 = 10,
        /// How long the server's counters may lag behind its answers, in milliseconds.
        metrics_lag_ms: u32 = 2_000,
    }
}

/// The check.
pub struct Completion;

impl Check for Completion {
    type Parameters = Parameters;

    fn manifest() -> Manifest {
        let description = "Two prompts get sane answers from the expected model in time";
        Manifest::new("completion", env!("CARGO_PKG_VERSION"), description)
            .per_pod(Phase::Direct)
            .needs(&[Capability::Pod, Capability::Metrics])
            .default_timeout_ms(60_000)
    }

    fn run(world: &impl World, context: &Context, parameters: &Parameters) -> Finding {
        let models = list(world, parameters)?;
        let model = choose(&models, context.model.as_deref())?;
        let before = progress::read(world);
        // The first as in the runbook, the second greedy: both ways of picking a token are taken once.
        let questions = [
            (parameters.prompt.as_str(), 0.7),
            (parameters.second_prompt.as_str(), 0.0),
        ];
        let mut answers = ask::Answers::new(world, &models, model, parameters);
        for (text, temperature) in questions {
            answers.ask(text, temperature)?;
        }
        let verdict = answers.verdict();
        progress::evaluate(world, before, answers.tokens(), parameters, verdict)
    }
}

/// The models that the server lists.
fn list(world: &impl World, parameters: &Parameters) -> Result<Vec<Model>, Verdict> {
    let action = format!("GET {MODELS}");
    let answer = world
        .send(Request::get(Target::Pod, MODELS).timeout_ms(parameters.timeout_ms))
        .map_err(|error| error.fails(&action))?;
    if answer.status == 200 {
        return openai::models(&answer.body).map_err(Verdict::fail);
    }
    let said = format!("{action} answered {}", openai::refusal(&answer));
    Err(match Refusal::from_response(&answer) {
        Refusal::Key => Verdict::inconclusive(format!("the server asks for an API key: {said}")),
        _ => Verdict::fail(said),
    })
}

/// The served name to ask: the expected one, else the first that is no adapter.
fn choose<'a>(models: &'a [Model], expected: Option<&str>) -> Result<&'a Model, Verdict> {
    let found = match expected {
        Some(name) => models.iter().find(|model| model.id == name),
        None => models.iter().find(|model| model.parent.is_none()).or(models.first()),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
        let served = if names.is_empty() {
            "no model".to_owned()
        } else {
            names.join(", ")
        };
        Verdict::fail(format!("serves {served}, not {}", expected.unwrap_or("any")))
    })
}

/// The form to fall back to when the server does not have the first.
const FORMS: [Form; 2] = [Form::Completion, Form::Chat];

vllm_rollback_plugin::export_check!(Completion);

#[cfg(test)]
mod tests;
