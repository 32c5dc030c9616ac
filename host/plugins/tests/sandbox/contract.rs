//! The contract grows by words and entries: what is not understood is refused and never a pass.

use serde_json::{Value, json};
use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::failure::FailureKind;

use crate::world::{host, run_one};

const CONTRACT: &str = include_str!("../../../../wit/plugin.wit");

#[tokio::test]
async fn a_check_that_needs_what_this_tool_does_not_know_is_refused_by_name() {
    let failure = host("unknown-need", &["unknown-need=pod"], Value::Null)
        .load()
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(
        failure
            .what
            .contains("check unknown-need needs `tomorrow`, which this tool does not know"),
        "{failure}"
    );
    assert_eq!(failure.next, ["use kubectl vllm-rollback 99.1.0 or newer"]);
}

#[tokio::test]
async fn an_outcome_that_this_tool_does_not_know_is_an_error() {
    for word in ["passed", "Pass", "pass\n", "pass\u{200b}", ""] {
        let (verdict, _) = run_one("unknown-outcome", &[], json!({"outcome": word})).await;
        assert_eq!(verdict.outcome, Outcome::Error, "{word:?}: {verdict:?}");
        assert!(
            verdict.summary.contains("no outcome that this tool knows"),
            "{verdict:?}"
        );
    }
    let (verdict, _) = run_one("unknown-outcome", &[], json!({"outcome": "pass"})).await;
    assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
}

#[tokio::test]
async fn a_component_with_the_drafts_enums_is_refused_before_it_says_anything() {
    let failure = host("draft-contract", &[], Value::Null).load().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(
        failure.what.ends_with(
            "draft-contract.wasm cannot be used: it was built against a draft of the contract; its functions have other types"
        ),
        "{failure}"
    );
    assert_eq!(failure.next, ["build it against this tool's `wit/plugin.wit`"]);
}

#[test]
fn the_contract_has_no_type_that_could_not_grow() {
    // A page of metrics has thousands of them; an error's kind is a word.
    let closed = ["sample", "call-error"];
    let code = CONTRACT.lines().map(str::trim).filter(|line| !line.starts_with("///"));
    let code: Vec<&str> = code.collect();
    for rigid in ["enum ", "variant ", "flags ", "resource "] {
        assert!(!code.iter().any(|line| line.starts_with(rigid)), "{rigid}");
    }
    let code = code.join("\n");
    let records: Vec<&str> = code.split("record ").skip(1).collect();
    assert!(records.len() > 10);
    for record in records {
        let (name, rest) = record.split_once(" {").unwrap();
        let (fields, _) = rest.split_once('}').unwrap();
        let grows = fields.contains("extra: list<tuple<string, string>>") || fields.contains("options: list<tuple<");
        assert_eq!(grows, !closed.contains(&name), "{name}");
    }
}
