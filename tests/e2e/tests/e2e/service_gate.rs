//! The Service gate: closed through the rollback, and gone without a trace afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::helm::Major;

use crate::fixture::{CRASH, MODEL, Model, RECREATE, RELEASE, SERVICE, assert_restored};
use crate::on_both_helms;

on_both_helms!(the_gate_leaves_the_service_and_its_managers_as_they_were, |major| {
    let model = Model::crashed("gate", major);
    let before = service(&model);
    let report = model.rollback(&[]).expect_code(0).report();
    assert_restored(&report, 1);
    let after = service(&model);
    assert_eq!(before["spec"]["selector"], after["spec"]["selector"]);
    assert_eq!(managers(&before), managers(&after));
    // A later upgrade works as if nothing had been.
    assert!(model.upgrade_and_wait(4, &[], "120s"));
    model.assert_serves(4);
});

on_both_helms!(no_request_is_answered_between_the_fence_and_the_verdicts, |major| {
    let model = Model::good("closed", major);
    assert!(model.upgrade_and_wait(2, &[], "120s"));
    let client = model.namespace.client(SERVICE);
    let ended = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&ended);
    // Taken before the run's own clock starts, so that the client's is never behind it.
    let start = std::time::Instant::now();
    let watcher = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let asked = start.elapsed().as_secs_f64();
            let served = client.complete(MODEL).is_served();
            seen.push((asked, start.elapsed().as_secs_f64(), served));
        }
        seen
    });
    let report = model.rollback(&["1"]).expect_code(0).report();
    ended.store(true, Ordering::Relaxed);
    let seen = watcher.join().expect("the client keeps asking");
    let at = |name| {
        report
            .states
            .iter()
            .find(|state| state.name == name)
            .expect("reached")
            .at_seconds
    };
    // The client's clock is ahead by the time it took to start the process.
    let (from, to) = (at(StateName::Fenced) + 1.0, at(StateName::Validated));
    let inside: Vec<bool> = seen
        .into_iter()
        .filter(|(asked, answered, _)| *asked >= from && *answered <= to)
        .map(|(_, _, served)| served)
        .collect();
    assert!(!inside.is_empty(), "nobody asked between {from} s and {to} s");
    assert!(
        !inside.contains(&true),
        "a request was answered while the model was fenced"
    );
});

on_both_helms!(a_model_that_was_out_of_traffic_before_the_run_stays_out, |major| {
    let model = Model::crashed("wasoff", major);
    model
        .tool()
        .run(&["registry", "disable", RELEASE, "--yes", "--reason", "maintenance"])
        .expect_code(0);
    let report = model.rollback(&[]).expect_code(0).report();
    assert_eq!(report.outcome, StateName::Done);
    model.assert_out_of_traffic();
    model
        .tool()
        .run(&["registry", "enable", RELEASE, "--yes"])
        .expect_code(0);
    model.assert_serves(1);
});

#[test]
fn after_a_hold_the_same_command_brings_the_model_back_once_the_trouble_is_gone() {
    let model = Model::crashed("rerun", Major::Four);
    let plugin = vllm_rollback_harness::paths::test_plugin("always-fails");
    model.rollback(&["--plugin", &plugin.to_string_lossy()]).expect_code(10);
    model.assert_out_of_traffic();
    let report = model.rollback(&["1"]).expect_code(0).report();
    assert_eq!(report.outcome, StateName::Done);
    model.assert_serves(1);
}

#[test]
fn a_pod_that_still_answers_a_request_is_drained_before_it_is_replaced() {
    let model = Model::good("drain", Major::Four);
    assert!(model.upgrade_and_wait(2, &["faults.TOKEN_MS=200"], "120s"));
    let client = model.namespace.client(SERVICE);
    let asking = std::thread::spawn(move || client.complete(MODEL));
    let report = model.rollback(&["1"]).expect_code(0).report();
    let answer = asking.join().expect("the client ends");
    assert!(answer.is_served(), "the request that was under way broke: {answer:?}");
    assert_eq!(report.outcome, StateName::Done);
}

#[test]
fn an_upgrade_with_helm_4_after_a_client_side_rollback_is_explained() {
    let model = Model::crashed("csa", Major::Four);
    let report = model.rollback(&[]).expect_code(0).report();
    assert!(
        report.notes.iter().any(|note| note.contains("--server-side=true")),
        "{:?}",
        report.notes
    );
    let chart = vllm_rollback_harness::paths::chart();
    model.helm().run(&[
        "upgrade",
        RELEASE,
        &chart.to_string_lossy(),
        "--set",
        RECREATE,
        "--set",
        "revisionLabel=5",
        "--server-side=true",
        "--wait",
    ]);
    model.assert_serves(5);
}

#[test]
fn a_failed_upgrade_is_taken_back_while_helm_still_calls_it_deployed() {
    let model = Model::good("deployed", Major::Three);
    model.upgrade(2, &[CRASH]);
    assert_eq!(model.statuses(), ["superseded", "deployed"]);
    let report = model.rollback(&[]).expect_code(0).report();
    assert_restored(&report, 1);
}

on_both_helms!(
    a_service_that_the_rollback_would_create_open_is_refused_before_anything_changes,
    |major| {
        let model = Model::good("created", major);
        model.upgrade(2, &[CRASH, "service.suffix=-v2"]);
        let report = model.rollback(&[]).expect_code(1).report();
        let failure = report.failure.expect("it says why").what;
        assert!(
            failure.starts_with("Service/llama-vllm-deployment does not exist now"),
            "{failure}"
        );
        assert!(
            report.next.iter().any(|step| step.contains("--registry none")),
            "{:?}",
            report.next
        );
        assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
        model.rollback(&["--registry", "none"]).expect_code(0);
        model.assert_serves(1);
    }
);

fn service(model: &Model) -> serde_json::Value {
    let path = format!("/api/v1/namespaces/{}/services/{SERVICE}", model.namespace.name);
    model.namespace.testbed.api().get(&path).expect("the Service exists")
}

/// `(manager, operation, fields)` of each entry, without times.
fn managers(service: &serde_json::Value) -> Vec<(String, String, String)> {
    let entries = service["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut all: Vec<_> = entries
        .iter()
        .map(|entry| {
            (
                entry["manager"].to_string(),
                entry["operation"].to_string(),
                entry["fieldsV1"]["f:spec"]["f:selector"].to_string(),
            )
        })
        .filter(|(manager, _, _)| manager.contains("vllm-rollback") || manager.contains("helm"))
        .filter(|(manager, _, selector)| manager.contains("vllm-rollback") || selector != "null")
        .collect();
    all.sort();
    all
}

/// A further Service of the release's pods, made beside Helm, with these fields of its spec.
fn add_service(model: &Model, name: &str, spec: serde_json::Value) {
    let object = serde_json::json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": name, "namespace": model.namespace.name },
        "spec": spec,
    });
    model.namespace.kubectl().apply(&object.to_string());
}

#[test]
fn a_headless_service_beside_the_first_is_held_as_well_and_both_are_given_back() {
    let model = Model::crashed("headless", Major::Four);
    let selector = service(&model)["spec"]["selector"].clone();
    let spec = serde_json::json!({
        "clusterIP": "None", "selector": selector, "ports": [{ "port": 80, "targetPort": 8000 }],
    });
    add_service(&model, "peers", spec);
    let report = model.rollback(&[]).expect_code(0).report();
    assert_restored(&report, 1);
    let lines = |name: StateName| {
        let state = report.states.iter().find(|state| state.name == name).expect("reached");
        state.evidence.join("\n")
    };
    for name in ["peers", SERVICE] {
        assert!(lines(StateName::Fenced).contains(&format!("Service/{name}: gate closed")));
        assert!(lines(StateName::Unfenced).contains(&format!("Service/{name}: gate open")));
        assert_eq!(model.namespace.client(name).endpoints().len(), 1, "{name}");
    }
}

#[test]
fn endpoints_by_hand_that_no_gate_closes_are_refused_before_anything_changes() {
    let model = Model::good("byhand", Major::Four);
    assert!(model.upgrade_and_wait(2, &[], "120s"));
    add_service(&model, "manual", serde_json::json!({ "ports": [{ "port": 8000 }] }));
    let pods = model
        .namespace
        .kubectl()
        .json(&["-n", &model.namespace.name, "get", "pods"])
        .expect("pods");
    let slice = serde_json::json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": "manual-1", "namespace": model.namespace.name,
            "labels": { "kubernetes.io/service-name": "manual" },
        },
        "ports": [{ "port": 8000 }],
        "endpoints": [{ "addresses": [pods["items"][0]["status"]["podIP"]] }],
    });
    model.namespace.kubectl().apply(&slice.to_string());
    let ran = model.rollback(&["1"]).expect_code(1);
    assert!(ran.stderr.contains("EndpointSlice/manual-1"), "{}", ran.stderr);
    assert_eq!(model.statuses().len(), 2);
    model.assert_serves(2);
}

#[test]
fn a_gate_that_nobody_remembers_is_told_and_the_plan_says_what_routes_here() {
    let model = Model::good("forgotten", Major::Four);
    let status = || {
        model
            .tool()
            .run(&["status", RELEASE, "-o", "json"])
            .expect_code(0)
            .stdout
    };
    assert!(!status().contains("nothing remembers why"), "{}", status());
    let patch = r#"{"spec": {"selector": {"rollback.vllm/gate": "closed"}}}"#;
    model.namespace.patch("service", SERVICE, patch);
    assert!(status().contains("nothing remembers why"), "{}", status());
    model
        .tool()
        .run(&["registry", "enable", RELEASE, "--yes"])
        .expect_code(0);
    assert!(!status().contains("nothing remembers why"), "{}", status());
    model.assert_serves(1);

    assert!(model.upgrade_and_wait(2, &[], "120s"));
    let labels = serde_json::json!({ "app": "front" });
    let router = serde_json::json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "front", "namespace": model.namespace.name },
        "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": {
            "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "proxy", "image": "ghcr.io/berriai/litellm:main" }] },
        } },
    });
    model.namespace.kubectl().apply(&router.to_string());
    add_service(
        &model,
        "llm",
        serde_json::json!({ "selector": labels, "ports": [{ "port": 4000 }] }),
    );
    let plan = model.tool().run(&["plan", RELEASE, "1"]).expect_code(0).stdout;
    assert!(plan.contains("--registry litellm --router-service llm"), "{plan}");
    assert!(plan.contains(&format!("{SERVICE} (ClusterIP)")), "{plan}");
}
