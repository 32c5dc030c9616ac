//! The way to the pods, which the checks take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use vllm_rollback_engine::check::{Outcome, Phase};
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::kubectl::Kubectl;
use vllm_rollback_harness::proxy::{Act, Call, Caller, Hook, Moment, StatusCode};

use super::{assert_ends, assert_withstood, at, is_before, through};
use crate::fixture::{MODEL, Model, SERVICE};

fn is_forward(call: &Call, moment: Moment) -> bool {
    moment == Moment::Before && call.path.contains("/portforward")
}

#[test]
fn port_forward_that_is_refused_or_breaks_gives_way_to_the_pod_proxy() {
    assert_withstood(
        "forward",
        at(usize::MAX, Act::Answer(StatusCode::FORBIDDEN), is_forward),
    );
    assert_withstood("reset", at(usize::MAX, Act::Drop, is_forward));
}

#[test]
fn port_forward_on_which_nothing_comes_is_no_proof() {
    let ends = [(StateName::Held, ExitCode::HeldCheckFailed)];
    let report = assert_ends("mute", at(usize::MAX, Act::Silence, is_forward), &ends);
    let failed = report.checks.iter().find(|verdict| verdict.outcome != Outcome::Pass);
    assert!(failed.is_some(), "{:?}", report.checks);
}

#[test]
fn a_pod_whose_readiness_is_taken_back_is_waited_for() {
    let model = Model::crashed("takenback", Major::Four);
    let kubectl = model.namespace.kubectl();
    let namespace = model.namespace.name.clone();
    let is_watching = AtomicBool::new(false);
    let is_taken_back = Arc::new(AtomicBool::new(false));
    let taken_back = Arc::clone(&is_taken_back);
    let hook: Hook = Arc::new(move |call: &Call, moment| {
        let is_of_pods = call.by == Caller::Tool && is_before(call, moment, "GET", "/pods?labelSelector=");
        if is_of_pods && call.path.contains("watch=true") {
            is_watching.store(true, Ordering::SeqCst);
        } else if is_of_pods && is_watching.load(Ordering::SeqCst) && !taken_back.load(Ordering::SeqCst) {
            // What the watches called ready no longer is when it is read. The kubelet mends it at its next look.
            for pod in ready_pods(&kubectl, &namespace) {
                taken_back.store(true, Ordering::SeqCst);
                let patch = r#"{"status":{"conditions":[{"type":"Ready","status":"False"}]}}"#;
                let args = [
                    "patch",
                    "pod",
                    &pod,
                    "-n",
                    &namespace,
                    "--subresource=status",
                    "-p",
                    patch,
                ];
                kubectl.run(&args);
            }
        }
        Act::Pass
    });
    let ran = through(&model, hook, &[]).expect_code(0);
    assert!(is_taken_back.load(Ordering::SeqCst), "no pod lost its readiness");
    assert_eq!(ran.report().outcome, StateName::Done);
    model.assert_serves(1);
}

fn ready_pods(kubectl: &Kubectl, namespace: &str) -> Vec<String> {
    let list = kubectl.json(&["get", "pods", "-n", namespace]).unwrap_or_default();
    let pods = list["items"].as_array().cloned().unwrap_or_default();
    let is_ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        conditions
            .clone()
            .any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    let ready = pods.iter().filter(|pod| is_ready(pod));
    ready
        .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn verdicts_on_a_pod_that_is_gone_let_nothing_in() {
    let model = Model::crashed("replaced", Major::Four);
    let kubectl = model.namespace.kubectl();
    let namespace = model.namespace.name.clone();
    let has_rolled_back = AtomicBool::new(false);
    let is_replaced = Arc::new(AtomicBool::new(false));
    let replaced = Arc::clone(&is_replaced);
    let hook: Hook = Arc::new(move |call: &Call, moment| {
        if call.by == Caller::Helm && call.method == "PATCH" && call.path.contains("/deployments/") {
            has_rolled_back.store(true, Ordering::SeqCst);
        }
        // The checks ask the pod that is ready: it is replaced under them.
        if has_rolled_back.load(Ordering::SeqCst) && is_forward(call, moment) && !replaced.swap(true, Ordering::SeqCst)
        {
            let pod = call
                .path
                .split('/')
                .skip_while(|part| *part != "pods")
                .nth(1)
                .unwrap_or_default();
            kubectl.run(&["delete", "pod", pod, "-n", &namespace, "--grace-period=0", "--force"]);
        }
        Act::Pass
    });
    let ran = through(&model, hook, &[]);
    assert!(is_replaced.load(Ordering::SeqCst), "no pod was replaced");
    let report = ran.report();
    if report.outcome == StateName::Done {
        // The verdicts are those of the pod that serves.
        let pods = model
            .namespace
            .kubectl()
            .run(&["get", "pods", "-n", &model.namespace.name, "-o", "name"]);
        let direct = report.checks.iter().filter(|verdict| verdict.phase == Phase::Direct);
        for pod in direct.filter_map(|verdict| verdict.pod.as_ref()) {
            assert!(pods.contains(pod.as_str()), "{pod} is not among {pods}");
        }
        model.assert_serves(1);
    } else {
        assert_eq!(report.outcome, StateName::Held, "{:?}", report.failure);
        let answer = model.namespace.ask(SERVICE, MODEL);
        assert_eq!(answer.status, None, "the model serves: {answer:?}");
        model.rollback(&[]).expect_code(0);
        model.assert_serves(1);
    }
}
