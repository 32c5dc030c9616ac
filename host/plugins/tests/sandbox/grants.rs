//! What checks from files may reach.

use std::sync::Arc;

use serde_json::{Value, json};
use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::ports::Checks;
use vllm_rollback_plugins::Enforcement;

use crate::world::{component, host, run_one, runner, text_server};

#[tokio::test]
async fn a_check_that_needs_what_was_not_granted_does_not_run() {
    let runner = runner(
        host("many-calls", &["many-calls=pod"], Value::Null),
        &Arc::default(),
        None,
    );
    let failure = runner.specs().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert_eq!(failure.what, "plugin many-calls needs `metrics`, which was not granted");
    assert_eq!(failure.next, ["add --grant many-calls=metrics"]);
}

#[tokio::test]
async fn a_granted_host_is_reached_below_its_path_only() {
    let port = text_server("/api/hello", "hello").await;
    let grant = format!("asks-elsewhere=host:prometheus=http://127.0.0.1:{port}/api");
    let ask = |path: &'static str| {
        let grant = grant.clone();
        async move {
            run_one(
                "asks-elsewhere",
                &[&grant],
                json!({"targets": ["host:prometheus"], "path": path}),
            )
            .await
            .0
        }
    };
    let verdict = ask("/hello").await;
    assert_eq!(
        (verdict.outcome, verdict.summary.as_str()),
        (Outcome::Pass, "host:prometheus answered 200")
    );
    assert_eq!(verdict.evidence, ["hello"]);
    for climbing in ["/../api/hello", "/%2e%2e/api/hello", "//127.0.0.1/api/hello"] {
        let verdict = ask(climbing).await;
        assert_eq!(verdict.outcome, Outcome::Error, "{climbing}: {verdict:?}");
    }
}

#[tokio::test]
async fn a_grant_for_a_check_that_is_not_there_is_refused() {
    let failure = host("always-passes", &["always-pases=pod"], Value::Null)
        .load()
        .await
        .unwrap_err();
    assert_eq!(failure.what, "--grant always-pases=… is for no check of this run");
    assert_eq!(failure.next, ["the checks are: always-passes"]);
}

#[tokio::test]
async fn the_same_plugin_is_not_loaded_twice() {
    let mut host = host("always-passes", &[], Value::Null);
    let failure = host
        .add_file(&component("always-passes"), Enforcement::Advisory, Value::Null)
        .unwrap_err();
    assert!(failure.what.contains("are the same plugin"), "{failure}");
}
