//! Components that misbehave. What each may end as, and how soon, was measured first (wasmtime 48, 2 cores).

use std::time::Duration;

use serde_json::{Value, json};
use vllm_rollback_engine::check::{Outcome, Verdict};

use crate::world::{host, run_one};

/// Deadline of the components of the tests, and what a busy machine may add.
const DEADLINE: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(3);

async fn verdict_of(name: &str) -> Verdict {
    run_one(name, &[], Value::Null).await.0
}

fn assert_error(verdict: &Verdict, text: &str) {
    assert_eq!(verdict.outcome, Outcome::Error, "{verdict:?}");
    assert!(verdict.summary.contains(text), "{verdict:?}");
}

#[tokio::test]
async fn a_check_that_loops_ends_at_its_deadline_with_a_backtrace() {
    let (verdict, took) = run_one("loops", &[], Value::Null).await;
    assert_error(&verdict, "no verdict: it did not end within its deadline of 2s");
    assert!(took >= DEADLINE && took < DEADLINE + SLACK, "{took:?}");
    assert!(
        verdict.evidence.iter().any(|line| line.starts_with("in ")),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_check_that_sleeps_in_the_host_ends_at_its_deadline_too() {
    let (verdict, took) = run_one("sleeps", &[], Value::Null).await;
    assert_error(&verdict, "no verdict: it did not end within its deadline of 2s");
    assert!(took >= DEADLINE && took < DEADLINE + SLACK, "{took:?}");
}

#[tokio::test]
async fn a_check_that_eats_memory_is_told_how_much_it_may_have() {
    assert_error(&verdict_of("eats-memory").await, "MiB of memory and may use 256 MiB");
}

#[tokio::test]
async fn a_check_that_panics_is_quoted() {
    let verdict = verdict_of("panics").await;
    assert_error(&verdict, "no verdict: it panicked: ");
    assert!(verdict.summary.contains("panics.rs"), "{verdict:?}");
}

#[tokio::test]
async fn a_check_that_exits_gave_no_verdict() {
    assert_error(&verdict_of("exits").await, "no verdict: it called exit(0)");
}

#[tokio::test]
async fn a_check_that_recurses_runs_out_of_stack() {
    assert_eq!(verdict_of("recurses").await.outcome, Outcome::Error);
}

#[tokio::test]
async fn a_flood_of_log_lines_is_dropped_and_harms_nobody() {
    let verdict = verdict_of("floods-logs").await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
    assert!(verdict.log.iter().map(String::len).sum::<usize>() < 70_000);
    assert!(
        verdict.log.last().unwrap().contains("more lines were dropped"),
        "{:?}",
        verdict.log.last()
    );
    assert!(!verdict.log.iter().any(|line| line.contains(['\u{1b}', '\r', '\n'])));
}

#[tokio::test]
async fn a_huge_verdict_is_refused_or_cut() {
    let verdict = verdict_of("huge-verdict").await;
    // 64 MB are more than one call may pass.
    assert_eq!(verdict.outcome, Outcome::Error, "{verdict:?}");
    assert!(verdict.summary.chars().count() <= 300 && verdict.evidence.len() <= 10);
}

#[tokio::test]
async fn endless_calls_end_by_their_number() {
    let grants = ["many-calls=pod,metrics"];
    let (verdict, _) = run_one("many-calls", &grants, json!({"call": "clock"})).await;
    assert_error(&verdict, "no verdict: it made more than 100000 calls to the host");
}

#[tokio::test]
async fn requests_have_a_budget_of_their_own() {
    let (verdict, _) = run_one("many-calls", &["many-calls=pod,metrics"], json!({"call": "metrics"})).await;
    assert_eq!(verdict.outcome, Outcome::Error, "{verdict:?}");
    assert!(verdict.summary.contains("256 requests in one run"), "{verdict:?}");
}

#[tokio::test]
async fn a_check_that_asks_for_other_hosts_is_told_what_was_not_granted() {
    let grants = ["asks-elsewhere=host:prometheus=http://127.0.0.1:9"];
    let (verdict, _) = run_one("asks-elsewhere", &grants, Value::Null).await;
    assert_error(&verdict, "`host:169.254.169.254` was not granted to asks-elsewhere");
}

#[tokio::test]
async fn other_checks_go_on_beside_a_hostile_one() {
    let mut both = host("loops", &[], Value::Null);
    let enforcement = vllm_rollback_plugins::Enforcement::Required;
    both.add_file(&crate::world::component("always-passes"), enforcement, Value::Null)
        .unwrap();
    let verdicts = crate::world::run(both, vllm_rollback_engine::check::Phase::Direct, 9).await;
    let outcomes: Vec<_> = verdicts
        .iter()
        .map(|verdict| (verdict.check.as_str(), verdict.outcome))
        .collect();
    assert_eq!(outcomes, [("loops", Outcome::Error), ("always-passes", Outcome::Pass)]);
}

#[tokio::test]
async fn verdicts_are_what_the_checks_say() {
    for (name, outcome) in [
        ("always-passes", Outcome::Pass),
        ("always-fails", Outcome::Fail),
        ("inconclusive", Outcome::Inconclusive),
    ] {
        assert_eq!(verdict_of(name).await.outcome, outcome, "{name}");
    }
}
