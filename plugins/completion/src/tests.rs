//! The whole check against servers that behave and misbehave.

use vllm_rollback_plugin::metrics::GENERATION_TOKENS;
use vllm_rollback_plugin::testing::FakeWorld;
use vllm_rollback_plugin::{Outcome, Sample};

use super::*;

const COMPLETIONS: &str = "POST /v1/completions";
const CHAT: &str = "POST /v1/chat/completions";

type Answered = Result<Response, CallError>;

fn text(words: &str) -> Answered {
    FakeWorld::answer(
        200,
        &format!(
            r#"{{"model":"llama","choices":[{{"text":"{words}","finish_reason":"length"}}],"usage":{{"completion_tokens":10}}}}"#
        ),
    )
}

fn server(answers: impl IntoIterator<Item = Answered>) -> FakeWorld {
    let list = r#"{"data":[{"id":"llama","root":"/m"},{"id":"alias","root":"/m"},{"id":"other","root":"/o"}]}"#;
    FakeWorld::new()
        .answers("GET /v1/models", [FakeWorld::answer(200, list)])
        .answers(COMPLETIONS, answers)
}

fn rising(world: FakeWorld) -> FakeWorld {
    world.scrapes(
        "",
        [
            FakeWorld::page(GENERATION_TOKENS, 100.0),
            FakeWorld::page(GENERATION_TOKENS, 120.0),
        ],
    )
}

fn run_as(world: &FakeWorld, model: Option<&str>) -> Verdict {
    let context = Context {
        model: model.map(str::to_owned),
        ..FakeWorld::context(Phase::Direct)
    };
    Completion::run(world, &context, &Parameters::default()).unwrap_or_else(|verdict| verdict)
}

fn run(world: &FakeWorld) -> Verdict {
    run_as(world, None)
}

fn failure(world: &FakeWorld) -> String {
    let verdict = run(world);
    assert_eq!(verdict.outcome, Outcome::Fail, "{verdict:?}");
    verdict.summary
}

#[test]
fn two_good_answers_and_a_rising_counter_pass() {
    let world = rising(server([text(" I am fine, thanks"), text(" Paris, of course")]));
    let verdict = run_as(&world, Some("llama"));
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert_eq!(verdict.summary, "llama answered sanely, slowest in 10 ms");
    let names: Vec<_> = verdict
        .measurements
        .iter()
        .map(|one| (one.name.as_str(), one.value, one.limit))
        .collect();
    let limit = Some(3000.0);
    assert_eq!(
        names,
        [
            ("completion-1", 10.0, limit),
            ("completion-2", 10.0, limit),
            ("counter-rise", 20.0, None)
        ]
    );
    assert_eq!(
        verdict.evidence[0],
        r#""Hello, how are you?" → " I am fine, thanks" (length, 10 tokens, 10 ms, llama)"#
    );
    assert!(verdict.evidence[2].contains("100 → 120"), "{verdict:?}");
}

#[test]
fn the_first_question_is_the_runbooks_and_the_second_differs() {
    let world = rising(server([text(" well enough")]));
    run(&world);
    let bodies: Vec<_> = world
        .requests()
        .iter()
        .map(|one| String::from_utf8_lossy(&one.body).into_owned())
        .collect();
    let asked =
        |body: &str| body.contains(r#""prompt":"Hello, how are you?""#) && body.contains(r#""temperature":0.7"#);
    assert!(
        asked(&bodies[1]) && bodies[1].contains(r#""max_tokens":10"#) && !asked(&bodies[2]),
        "{bodies:?}"
    );
}

#[test]
fn garbage_and_repetition_fail_with_the_text() {
    let garbage = failure(&rising(server([text("!!!!!!!!!!")])));
    assert_eq!(garbage, "the answer is signs without a word: \"!!!!!!!!!!\"");
    let repeated = failure(&rising(server([
        text(" fine"),
        text(" the the the the the the the the"),
    ])));
    assert!(
        repeated.starts_with("the answer is \"the\" over and over"),
        "{repeated}"
    );
}

#[test]
fn a_hung_engine_behind_a_healthy_server_is_named_as_such() {
    let hung = server([Err(CallError::Timeout("10 s passed".to_owned()))])
        .answers("GET /health", [FakeWorld::answer(200, "")]);
    assert_eq!(failure(&hung), "answered /health but no completion within 10 s");
    let dead = server([Err(CallError::Timeout("10 s passed".to_owned()))]);
    assert!(failure(&dead).starts_with("GET /health got no answer"));
}

#[test]
fn an_answer_that_is_too_slow_fails_with_both_numbers() {
    let slow = text(" I am fine, thanks").map(|answer| Response {
        total_ms: 3_200.4,
        ..answer
    });
    assert_eq!(
        failure(&rising(server([slow]))),
        "the answer took 3200 ms, the limit is 3000 ms"
    );
}

#[test]
fn a_counter_that_stands_still_fails_after_the_lag_that_is_allowed() {
    let world = server([text(" fine words here")]).scrapes("", [FakeWorld::page(GENERATION_TOKENS, 100.0)]);
    assert_eq!(
        failure(&world),
        "two answers came back, but the pod's vllm:generation_tokens_total did not rise"
    );
    assert!(world.now().as_millis() >= 2_000);
}

#[test]
fn a_counter_that_lags_is_waited_for() {
    let page = |value| FakeWorld::page(GENERATION_TOKENS, value);
    let world = server([text(" fine words here")]).scrapes("", [page(5.0), page(5.0), page(5.0), page(25.0)]);
    assert_eq!(run(&world).outcome, Outcome::Pass);
}

#[test]
fn metrics_that_vanish_after_the_answers_fail() {
    let gone = Err(CallError::Unreachable("refused".to_owned()));
    let world = server([text(" fine words here")]).scrapes("", [FakeWorld::page(GENERATION_TOKENS, 100.0), gone]);
    assert_eq!(
        failure(&world),
        "after the answers, reading /metrics got no answer: refused"
    );
}

#[test]
fn a_counter_that_fell_means_a_restart() {
    let world = server([text(" fine words here")]).scrapes(
        "",
        [
            FakeWorld::page(GENERATION_TOKENS, 100.0),
            FakeWorld::page(GENERATION_TOKENS, 10.0),
        ],
    );
    assert!(failure(&world).ends_with("fell during the check: the server restarted"));
}

#[test]
fn without_metrics_two_good_answers_stand_and_that_is_said() {
    let verdict = run(&server([text(" I am fine, thanks")]));
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert!(
        verdict.evidence[2].starts_with("counters were not watched: reading /metrics was not allowed"),
        "{verdict:?}"
    );
    let bare: Result<Vec<Sample>, CallError> = Ok(Vec::new());
    let verdict = run(&server([text(" I am fine, thanks")]).scrapes("", [bare]));
    assert!(verdict.evidence[2].contains("has no counter"), "{verdict:?}");
}

#[test]
fn another_model_than_the_expected_one_fails_before_anything_is_asked() {
    let world = server([text(" fine")]);
    assert_eq!(
        run_as(&world, Some("mistral")).summary,
        "serves llama, alias, other, not mistral"
    );
    assert_eq!(world.requests().len(), 1);
}

#[test]
fn an_answer_in_another_models_name_fails_unless_it_is_an_alias() {
    assert_eq!(
        run_as(&rising(server([text(" fine words")])), Some("other")).summary,
        "other was asked, llama answered"
    );
    assert_eq!(
        run_as(&rising(server([text(" fine words")])), Some("alias")).outcome,
        Outcome::Pass
    );
}

#[test]
fn answers_that_are_not_whole_fail_by_what_is_missing() {
    for (body, problem) in [
        ("<html>", "the answer is not JSON"),
        (r#"{"choices":[]}"#, "the answer does not say which model"),
        (r#"{"model":"llama","choices":[]}"#, "the answer has no choices"),
        (
            r#"{"model":"llama","choices":[{"text":"hi"}]}"#,
            "the answer has no finish reason",
        ),
        (
            r#"{"model":"llama","choices":[{"text":"hi","finish_reason":"abort"}]}"#,
            "the answer ended with finish reason abort",
        ),
        (
            r#"{"model":"llama","choices":[{"text":"hi","finish_reason":"stop"}]}"#,
            "the answer does not say how many tokens",
        ),
        (
            r#"{"model":"llama","choices":[{"text":"hi","finish_reason":"stop"}],"usage":{"completion_tokens":0}}"#,
            "the server says that it generated 0 tokens",
        ),
        (
            r#"{"model":"llama","choices":[{"text":"  ","finish_reason":"length"}],"usage":{"completion_tokens":10}}"#,
            "the answer has no text",
        ),
    ] {
        let said = failure(&rising(server([FakeWorld::answer(200, body)])));
        assert!(said.starts_with(problem), "{said}");
    }
}

#[test]
fn a_model_that_ends_a_prompt_at_once_is_asked_again_and_one_that_always_does_fails() {
    let silent = || {
        let body =
            r#"{"model":"llama","choices":[{"text":"","finish_reason":"stop"}],"usage":{"completion_tokens":1}}"#;
        FakeWorld::answer(200, body)
    };
    let verdict = run(&rising(server([silent(), text(" I am fine"), text(" Paris it is")])));
    assert_eq!((verdict.outcome, verdict.evidence.len()), (Outcome::Pass, 4));
    assert_eq!(failure(&rising(server([silent()]))), "the answer has no text");
}

#[test]
fn a_server_with_chat_only_is_asked_in_that_form() {
    let missing = FakeWorld::answer(404, r#"{"detail":"Not Found"}"#);
    let chat = r#"{"model":"llama","choices":[{"message":{"content":"I am fine"},"finish_reason":"stop"}],"usage":{"completion_tokens":4}}"#;
    let world = rising(server([missing]).answers(CHAT, [FakeWorld::answer(200, chat)]));
    assert_eq!(run(&world).outcome, Outcome::Pass);
    // The missing form is tried once, not before every question.
    assert_eq!(
        world
            .requests()
            .iter()
            .filter(|request| request.path == "/v1/completions")
            .count(),
        1
    );
}

#[test]
fn a_server_without_either_form_fails() {
    let missing = || FakeWorld::answer(404, r#"{"detail":"Not Found"}"#);
    let world = server([missing()]).answers(CHAT, [missing()]);
    assert_eq!(failure(&world), "POST /v1/chat/completions answered 404: Not Found");
}

#[test]
fn errors_of_the_server_fail_and_a_wanted_key_tells_nothing() {
    let broken = FakeWorld::answer(500, r#"{"error":{"message":"EngineCore died"}}"#);
    assert_eq!(
        failure(&server([broken])),
        "POST /v1/completions answered 500: EngineCore died"
    );
    let locked = run(&server([FakeWorld::answer(401, r#"{"error":"Unauthorized"}"#)]));
    assert_eq!(locked.outcome, Outcome::Inconclusive);
    assert!(
        locked.summary.starts_with("the server asks for an API key"),
        "{locked:?}"
    );
}

#[test]
fn a_call_that_is_not_granted_is_an_error_of_the_check() {
    assert_eq!(
        run(&server([Err(CallError::Denied("not granted".to_owned()))])).outcome,
        Outcome::Error
    );
}
