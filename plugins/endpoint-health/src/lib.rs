//! `endpoint-health`: each pod answers `/health` and serves the expected model. Step 2 of the runbook's validation.
//!
//! The body of `/health` is not looked at: vLLM leaves it empty, the `{"status": "ok"}` of the runbook comes from no
//! vLLM. `/ready` is not asked: a vLLM server has no such route and answers 404 (vllm-project/vllm#46811 would add it).
//! Neither route proves that the engine generates (vllm-project/vllm#36960); that is the check `completion`.

use vllm_rollback_plugin::openai::{self, MODELS, Model, Refusal};
use vllm_rollback_plugin::{Outcome, prelude::*};

parameters! {
    /// What the operator may set.
    pub struct Parameters {
        /// Longest wait for one answer, in milliseconds.
        timeout_ms: u32 = 5_000,
        /// Whether the served model names are compared with the expected one.
        check_model: bool = true,
    }
}

/// The check.
pub struct EndpointHealth;

impl Check for EndpointHealth {
    type Parameters = Parameters;

    fn manifest() -> Manifest {
        let description = "GET /health answers 200 and /v1/models lists the expected model";
        Manifest::new("endpoint-health", env!("CARGO_PKG_VERSION"), description)
            .per_pod(Phase::Direct)
            .needs(&[Capability::Pod])
            .default_timeout_ms(15_000)
    }

    fn run(world: &impl World, context: &Context, parameters: &Parameters) -> Finding {
        let health = get(world, "/health", parameters)?;
        if health.status != 200 {
            return Err(Verdict::fail(format!(
                "GET /health answered {}",
                openai::refusal(&health)
            )));
        }
        let latency = Measurement::new("health-latency", health.total_ms, "ms");
        if !parameters.check_model {
            return Ok(Verdict::pass("GET /health answered 200").measured(latency));
        }
        let answer = get(world, MODELS, parameters)?;
        Ok(judge_models(&answer, context.model.as_deref())?.measured(latency))
    }
}

fn get(world: &impl World, path: &str, parameters: &Parameters) -> Result<Response, Verdict> {
    world
        .send(Request::get(Target::Pod, path).timeout_ms(parameters.timeout_ms))
        .map_err(|error| error.fails(&format!("GET {path}")))
}

fn judge_models(answer: &Response, expected: Option<&str>) -> Finding {
    if answer.status != 200 {
        let said = format!("GET {MODELS} answered {}", openai::refusal(answer));
        return Err(match Refusal::from_response(answer) {
            Refusal::Key => Verdict::inconclusive(format!("the server asks for an API key: {said}")),
            _ => Verdict::fail(said),
        });
    }
    let models = openai::models(&answer.body).map_err(Verdict::fail)?;
    let names = models
        .iter()
        .map(|model| model.id.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let verdict = match expected {
        _ if models.is_empty() => Verdict::fail("the server is healthy and serves no model"),
        Some(expected) if models.iter().any(|model| model.id == expected) => {
            Verdict::pass(format!("healthy, serves {expected}"))
        }
        Some(expected) => Verdict::fail(format!("serves {names}, not {expected}")),
        None => Verdict::pass(format!("healthy, serves {names}; which model is expected is not known")),
    };
    let verdict = verdict
        .evidence("GET /health: 200")
        .evidence_lines(models.iter().map(describe));
    if verdict.outcome == Outcome::Pass {
        Ok(verdict)
    } else {
        Err(verdict)
    }
}

/// `model m: root /models/m, context 4096`.
fn describe(model: &Model) -> String {
    let root = model
        .root
        .as_deref()
        .map(|root| format!(", root {root}"))
        .unwrap_or_default();
    let length = model
        .max_model_len
        .map(|length| format!(", context {length}"))
        .unwrap_or_default();
    let parent = model
        .parent
        .as_deref()
        .map(|parent| format!(", adapter of {parent}"))
        .unwrap_or_default();
    format!("model {}{root}{length}{parent}", model.id)
}

vllm_rollback_plugin::export_check!(EndpointHealth);

#[cfg(test)]
mod tests {
    use vllm_rollback_plugin::testing::FakeWorld;

    use super::*;

    const LIST: &str = r#"{"data":[{"id":"llama","root":"/models/llama","max_model_len":4096}]}"#;

    fn run(world: FakeWorld, model: Option<&str>) -> Verdict {
        let context = Context {
            model: model.map(str::to_owned),
            ..FakeWorld::context(Phase::Direct)
        };
        EndpointHealth::run(&world, &context, &Parameters::default()).unwrap_or_else(|verdict| verdict)
    }

    fn healthy(status: u16, list: &str) -> FakeWorld {
        FakeWorld::new()
            .answers("GET /health", [FakeWorld::answer(200, "")])
            .answers("GET /v1/models", [FakeWorld::answer(status, list)])
    }

    #[test]
    fn a_server_with_the_expected_model_passes_although_the_body_of_health_is_empty() {
        let verdict = run(healthy(200, LIST), Some("llama"));
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str()),
            (Outcome::Pass, "healthy, serves llama")
        );
        assert_eq!(
            verdict.evidence,
            ["GET /health: 200", "model llama, root /models/llama, context 4096"]
        );
        assert_eq!(verdict.measurements.len(), 1);
    }

    #[test]
    fn another_model_fails_and_names_both() {
        let verdict = run(healthy(200, LIST), Some("mistral"));
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str()),
            (Outcome::Fail, "serves llama, not mistral")
        );
        // A name that only begins the same is another model.
        assert_eq!(run(healthy(200, LIST), Some("llam")).outcome, Outcome::Fail);
    }

    #[test]
    fn an_unknown_expectation_is_reported_and_not_held_against_the_server() {
        let verdict = run(healthy(200, LIST), None);
        assert_eq!(
            verdict.summary,
            "healthy, serves llama; which model is expected is not known"
        );
    }

    #[test]
    fn an_unhealthy_server_fails_with_its_words() {
        let world = FakeWorld::new().answers("GET /health", [FakeWorld::answer(503, "engine died")]);
        let verdict = run(world, None);
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str()),
            (Outcome::Fail, "GET /health answered 503: engine died")
        );
    }

    #[test]
    fn a_server_that_does_not_answer_fails() {
        let verdict = run(FakeWorld::new(), None);
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str()),
            (Outcome::Fail, "GET /health got no answer: nothing answers GET /health")
        );
    }

    #[test]
    fn a_call_that_is_not_granted_is_an_error_of_the_check() {
        let denied = CallError::Denied("target pod is not granted".to_owned());
        assert_eq!(
            run(FakeWorld::new().answers("GET /health", [Err(denied)]), None).outcome,
            Outcome::Error
        );
    }

    #[test]
    fn a_server_that_asks_for_a_key_tells_nothing() {
        let verdict = run(healthy(401, r#"{"error":"Unauthorized"}"#), Some("llama"));
        assert_eq!(verdict.outcome, Outcome::Inconclusive);
        assert_eq!(
            verdict.summary,
            "the server asks for an API key: GET /v1/models answered 401: Unauthorized"
        );
    }

    #[test]
    fn a_list_without_models_or_of_another_shape_fails() {
        assert_eq!(
            run(healthy(200, r#"{"data":[]}"#), None).summary,
            "the server is healthy and serves no model"
        );
        assert_eq!(run(healthy(200, "<html>"), None).outcome, Outcome::Fail);
        assert_eq!(
            run(healthy(404, r#"{"detail":"Not Found"}"#), None).outcome,
            Outcome::Fail
        );
    }

    #[test]
    fn the_ready_route_is_not_asked() {
        let world = healthy(200, LIST);
        let context = FakeWorld::context(Phase::Direct);
        let _ = EndpointHealth::run(&world, &context, &Parameters::default());
        assert!(world.requests().iter().all(|request| request.path != "/ready"));
    }
}
