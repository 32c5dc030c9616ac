//! The built-in checks against a stand-in model server.

use std::sync::Arc;

use serde_json::{Value, json};
use vllm_rollback_engine::check::{Outcome, Phase};
use vllm_rollback_engine::ports::Checks;
use vllm_rollback_plugins::{BUILTINS, Enforcement, PluginHost};

use crate::world::{Seen, World, context, endpoint, model_server, options, pod, run, runner};

fn all() -> PluginHost {
    let mut host = PluginHost::new(options(&[])).unwrap();
    for name in BUILTINS {
        host.add_builtin(name, Enforcement::Required, Value::Null).unwrap();
    }
    host
}

#[tokio::test]
async fn what_built_in_checks_ask_for_is_what_the_table_grants() {
    let runner = runner(all(), &Arc::default(), Some(endpoint(9)));
    // Loading fails when one asks for more than the table has; the words show that none is granted more than it asks for.
    let specs = runner.specs().await.unwrap();
    let grants: Vec<_> = specs
        .iter()
        .map(|spec| (spec.name.as_str(), spec.grants.join(" ")))
        .collect();
    let wanted = [
        ("pod-health", "cluster"),
        ("endpoint-health", "pod"),
        ("completion", "pod metrics"),
        ("registry-status", "registry"),
        ("router-e2e", "router metrics"),
    ];
    assert_eq!(grants, wanted.map(|(name, grants)| (name, grants.to_owned())));
    assert!(
        specs
            .iter()
            .all(|spec| spec.required && spec.skipped.is_none() && spec.digest.len() == 64)
    );
}

#[tokio::test]
async fn a_healthy_pod_passes_every_direct_check() {
    let verdicts = run(all(), Phase::Direct, model_server(&[]).await).await;
    let names: Vec<_> = verdicts.iter().map(|verdict| verdict.check.as_str()).collect();
    assert_eq!(names, ["pod-health", "endpoint-health", "completion"]);
    assert!(
        verdicts.iter().all(|verdict| verdict.outcome == Outcome::Pass),
        "{verdicts:#?}"
    );
    assert_eq!(verdicts[2].pod.as_deref(), Some("llama-0"));
    assert!(
        verdicts[2]
            .measurements
            .iter()
            .all(|measured| measured.value.is_finite())
    );
}

#[tokio::test]
async fn every_pod_is_looked_at_and_one_bad_pod_fails() {
    let (good, closed) = (model_server(&[]).await, 9);
    let mut host = PluginHost::new(options(&[])).unwrap();
    host.add_builtin("endpoint-health", Enforcement::Required, Value::Null)
        .unwrap();
    let runner = runner(host, &Arc::default(), None);
    let context = context(vec![pod("llama-0", good), pod("llama-1", closed), pod("llama-2", good)]);
    let verdicts = runner.run(Phase::Direct, &context, &Seen::default()).await;
    let outcomes: Vec<_> = verdicts
        .iter()
        .map(|verdict| (verdict.pod.as_deref().unwrap(), verdict.outcome))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("llama-0", Outcome::Pass),
            ("llama-1", Outcome::Fail),
            ("llama-2", Outcome::Pass)
        ]
    );
}

#[tokio::test]
async fn no_pod_is_no_pass() {
    let mut host = PluginHost::new(options(&[])).unwrap();
    host.add_builtin("endpoint-health", Enforcement::Required, Value::Null)
        .unwrap();
    let verdicts = runner(host, &Arc::default(), None)
        .run(Phase::Direct, &context(vec![]), &Seen::default())
        .await;
    assert_eq!(verdicts.len(), 1);
    assert_eq!(
        (verdicts[0].outcome, verdicts[0].summary.as_str()),
        (Outcome::Error, "there is no serving pod to check")
    );
}

#[tokio::test]
async fn without_a_router_the_routed_check_is_skipped_and_said_to_be() {
    let runner = runner(all(), &Arc::default(), None);
    let specs = runner.specs().await.unwrap();
    let skipped: Vec<_> = specs
        .iter()
        .filter_map(|spec| Some((spec.name.as_str(), spec.skipped.as_deref()?)))
        .collect();
    assert_eq!(skipped, [("router-e2e", "no router is known")]);
    let verdicts = runner.run(Phase::Routed, &context(vec![]), &Seen::default()).await;
    let outcomes: Vec<_> = verdicts
        .iter()
        .map(|verdict| (verdict.check.as_str(), verdict.outcome))
        .collect();
    assert_eq!(outcomes, [("registry-status", Outcome::Pass)], "{verdicts:?}");
}

#[tokio::test]
async fn through_a_router_that_leads_to_the_pod_the_routed_check_passes() {
    let port = model_server(&[]).await;
    let mut host = PluginHost::new(options(&[])).unwrap();
    host.add_builtin("router-e2e", Enforcement::Required, Value::Null)
        .unwrap();
    let runner = runner(host, &Arc::<World>::default(), Some(endpoint(port)));
    let verdicts = runner
        .run(Phase::Routed, &context(vec![pod("llama-0", port)]), &Seen::default())
        .await;
    assert_eq!(verdicts[0].outcome, Outcome::Pass, "{verdicts:#?}");
}

#[tokio::test]
async fn a_wrong_parameter_of_a_check_is_found_when_it_is_loaded() {
    let mut host = PluginHost::new(options(&[])).unwrap();
    host.add_builtin("completion", Enforcement::Required, json!({"promt": "x"}))
        .unwrap();
    let failure = host.load().await.unwrap_err();
    assert!(failure.what.contains("there is no parameter `promt`"), "{failure}");
    assert!(failure.next[0].contains("prompt"));
}

#[tokio::test]
async fn a_check_that_does_not_exist_is_answered_with_those_that_do() {
    let mut host = PluginHost::new(options(&[])).unwrap();
    let failure = host.add_builtin("slo", Enforcement::Required, Value::Null).unwrap_err();
    assert!(failure.next[0].contains("completion"));
    assert!(
        host.add_builtin("completion", Enforcement::Required, json!([1]))
            .unwrap_err()
            .what
            .contains("no JSON object")
    );
}
