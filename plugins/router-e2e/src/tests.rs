//! The whole check against routers that behave and misbehave.

use vllm_rollback_plugin::Outcome;
use vllm_rollback_plugin::metrics::REQUESTS_FINISHED;
use vllm_rollback_plugin::testing::FakeWorld;

use super::*;

type Answered = Result<Response, CallError>;

const ASK: &str = "POST /v1/completions";

fn good() -> Answered {
    FakeWorld::answer(
        200,
        r#"{"model":"llama","choices":[{"text":" fine words","finish_reason":"length"}]}"#,
    )
}

fn from(header: &str, value: &str) -> Answered {
    good().map(|answer| Response {
        headers: vec![(header.to_owned(), value.to_owned())],
        ..answer
    })
}

fn router(answers: impl IntoIterator<Item = Answered>) -> FakeWorld {
    FakeWorld::new().answers(ASK, answers)
}

/// Both probes reach the pod.
fn rising(world: FakeWorld, to: f64) -> FakeWorld {
    world.scrapes(
        "demo-0",
        [
            FakeWorld::page(REQUESTS_FINISHED, 7.0),
            FakeWorld::page(REQUESTS_FINISHED, to),
        ],
    )
}

fn run_in(world: &FakeWorld, change: impl FnOnce(&mut Context)) -> Verdict {
    let mut context = Context {
        model: Some("llama".to_owned()),
        ..FakeWorld::context(Phase::Routed)
    };
    change(&mut context);
    RouterE2e::run(world, &context, &Parameters::default()).unwrap_or_else(|verdict| verdict)
}

fn run(world: &FakeWorld) -> Verdict {
    run_in(world, |_| {})
}

#[test]
fn answers_that_show_in_the_pods_counters_pass() {
    let verdict = run(&rising(router([good()]), 9.0));
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert_eq!(
        verdict.summary,
        "2 answers through the router, counters of 1 pods rose by 2"
    );
}

#[test]
fn answers_of_another_deployment_fail_although_they_are_200() {
    for to in [7.0, 8.0] {
        let verdict = run(&rising(router([good()]), to));
        assert_eq!(verdict.outcome, Outcome::Fail, "{verdict:?}");
        assert!(verdict.summary.ends_with("another deployment answered"), "{verdict:?}");
    }
}

#[test]
fn a_header_that_names_a_pod_ties_the_answer_without_counters() {
    for value in ["demo-0", "http://demo-0.demo.svc:8000"] {
        let verdict = run(&router([from("X-Routing-Backend", value)]));
        assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    }
    let other = run(&router([from("x-inference-pod", "demo-01")]));
    assert_eq!(other.outcome, Outcome::Inconclusive, "{other:?}");
}

#[test]
fn without_header_and_metrics_the_answer_proves_nothing() {
    let verdict = run(&router([good()]));
    assert_eq!(verdict.outcome, Outcome::Inconclusive);
    assert!(
        verdict
            .evidence
            .iter()
            .any(|line| line.contains("reading /metrics of demo-0 was not allowed")),
        "{verdict:?}"
    );
}

#[test]
fn a_router_that_notices_late_is_waited_for_and_each_attempt_is_shown() {
    let late = FakeWorld::answer(503, "no workers");
    let world = rising(router([late.clone(), late, good()]), 9.0);
    let verdict = run(&world);
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert_eq!(
        verdict.evidence[0],
        "+0.0 s: POST /v1/completions at the router answered 503: no workers"
    );
    assert!(verdict.evidence[1].starts_with("+0.2 s: "), "{verdict:?}");
    assert!(verdict.evidence[2].starts_with("+0.6 s: 200 in 10 ms"), "{verdict:?}");
}

#[test]
fn a_router_that_never_notices_fails_at_the_end_of_its_time() {
    let missing = r#"{"error":{"message":"The model `llama` does not exist."}}"#;
    let world = router([FakeWorld::answer(404, missing)]);
    let verdict = run(&world);
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert!(
        verdict
            .summary
            .contains("answered 404: The model `llama` does not exist. (after "),
        "{verdict:?}"
    );
    assert_eq!(world.now().as_secs(), 10);
    assert!(world.requests().len() < 12, "{}", world.requests().len());
}

#[test]
fn a_refusal_of_the_caller_is_not_held_against_the_model() {
    for (status, waits) in [(401, false), (402, false), (429, true)] {
        let world = router([FakeWorld::answer(status, r#"{"error":"no","code":"X"}"#)]);
        let verdict = run(&world);
        assert_eq!(verdict.outcome, Outcome::Inconclusive, "{verdict:?}");
        assert!(verdict.summary.contains("says nothing of the model"), "{verdict:?}");
        assert_eq!(world.requests().len() > 1, waits);
    }
}

#[test]
fn a_router_that_does_not_answer_fails() {
    let verdict = run(&FakeWorld::new());
    assert_eq!(verdict.outcome, Outcome::Fail);
    let denied = CallError::Denied("router is not granted".to_owned());
    assert_eq!(run(&router([Err(denied)])).outcome, Outcome::Error);
}

#[test]
fn a_200_without_text_is_no_answer() {
    let empty = FakeWorld::answer(200, r#"{"choices":[{"text":""}]}"#);
    assert!(
        run(&router([empty]))
            .summary
            .starts_with("the router answered 200 without any text")
    );
    assert_eq!(run(&router([FakeWorld::answer(200, "<html>")])).outcome, Outcome::Fail);
}

#[test]
fn a_model_for_chat_only_is_asked_in_that_form() {
    let kind = FakeWorld::answer(
        400,
        r#"{"error":{"message":"The model does not support Completions API"}}"#,
    );
    let chat = FakeWorld::answer(200, r#"{"choices":[{"message":{"content":"fine"}}]}"#);
    let world = rising(router([kind]).answers("POST /v1/chat/completions", [chat]), 9.0);
    assert_eq!(run(&world).outcome, Outcome::Pass);
}

#[test]
fn the_model_is_taken_from_the_router_only_when_there_is_one() {
    let list = |names: &str| FakeWorld::new().answers("GET /v1/models", [FakeWorld::answer(200, names)]);
    let unnamed = |context: &mut Context| context.model = None;
    let world = rising(list(r#"{"data":[{"id":"llama"}]}"#).answers(ASK, [good()]), 9.0);
    assert_eq!(run_in(&world, unnamed).outcome, Outcome::Pass);
    let two = run_in(&list(r#"{"data":[{"id":"a"},{"id":"b"}]}"#), unnamed);
    assert_eq!(two.outcome, Outcome::Inconclusive);
    assert_eq!(
        two.summary,
        "which model to ask for is not known: the router lists 2 models"
    );
}

#[test]
fn without_a_router_the_check_cannot_run() {
    let verdict = run_in(&FakeWorld::new(), |context| context.has_router = false);
    assert_eq!(verdict.outcome, Outcome::Error);
}

#[test]
fn a_pod_that_cannot_be_read_leaves_room_for_doubt() {
    let world = rising(router([good()]), 7.0);
    let verdict = run_in(&world, |context| {
        let twin = Pod {
            name: "demo-1".to_owned(),
            ..context.pods[0].clone()
        };
        context.pods.push(twin);
    });
    assert_eq!(verdict.outcome, Outcome::Inconclusive, "{verdict:?}");
}
