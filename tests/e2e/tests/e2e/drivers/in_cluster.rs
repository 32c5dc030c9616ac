//! vllm-router as pods of the cluster, whose replicas are reached through the API server alone.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::names::{NameProxy, Names};
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::{http, paths, wait};

use super::{row, two_revisions};
use crate::fixture::{MODEL, Model, RELEASE, SERVICE};

const ROUTER: &str = "vllm-router";

/// Two replicas of the router, with these further words in their command.
fn deploy(model: &Model, proxy: &NameProxy, program: &str, more: &str) {
    let namespace = &model.namespace;
    let worker = format!("http://{SERVICE}.{}.svc.cluster.local:8000", namespace.name);
    let run = format!(
        "exec {program} --host $POD_BIND_IP --port 8000 --prometheus-host $POD_BIND_IP --policy round_robin --worker-urls {worker}"
    );
    let labels = json!({ "app": ROUTER });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": ROUTER, "namespace": namespace.name },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{
                    "name": ROUTER, "image": "vllm-sim:1",
                    "command": ["sh", "-c", run, ROUTER, more],
                    "env": [{ "name": "http_proxy", "value": proxy.url() }],
                    "ports": [{ "containerPort": 8000 }],
                    "readinessProbe": { "httpGet": { "path": "/health", "port": 8000 }, "periodSeconds": 1 },
                }] },
            },
        },
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": ROUTER, "namespace": namespace.name },
        "spec": { "clusterIP": "None", "selector": labels, "ports": [{ "port": 80, "targetPort": 8000 }] },
    });
    for object in [deployment, service] {
        namespace.kubectl().apply(&object.to_string());
    }
    wait::until("two ready routers", HANG, || {
        (namespace.client(ROUTER).endpoints().len() == 2).then_some(())
    });
}

/// How many workers each replica has.
fn workers(model: &Model) -> Vec<usize> {
    let count = |address: String| {
        let url = format!("http://{address}/list_workers");
        let (_, body) = http::get(&url, Duration::from_secs(5)).expect("a router answers");
        let parsed: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        parsed["urls"].as_array().map_or(0, Vec::len)
    };
    model
        .namespace
        .client(ROUTER)
        .endpoints()
        .into_iter()
        .map(count)
        .collect()
}

#[test]
fn every_replica_behind_a_service_is_fenced_and_one_that_finds_pods_by_itself_is_refused() {
    let Some(program) = paths::router(ROUTER) else {
        row::skip(ROUTER);
        return;
    };
    let program = program.to_string_lossy();
    let model = two_revisions("routerpods", Major::Four);
    let name = format!("{SERVICE}.{}.svc.cluster.local:8000", model.namespace.name);
    let names = Names::follow(BTreeMap::from([(name, model.namespace.client(SERVICE))]));
    let proxy = NameProxy::start(&names);
    deploy(&model, &proxy, &program, "");
    let run = |verb: &[&str]| {
        let place = ["--registry", ROUTER, "--router-service", ROUTER, "--model", MODEL];
        model.tool().run(&[verb, &[RELEASE, "--yes"], &place].concat())
    };
    run(&["registry", "disable"]).expect_code(0);
    assert_eq!(workers(&model), [0, 0]);
    run(&["registry", "enable"]).expect_code(0);
    assert_eq!(workers(&model), [1, 1]);
    run(&["rollback"]).expect_code(0);
    assert_eq!(workers(&model), [1, 1]);
    model.assert_serves(1);

    deploy(&model, &proxy, &program, "--service-discovery");
    wait::until("routers of the new kind", HANG, || {
        let pods =
            model
                .namespace
                .kubectl()
                .json(&["-n", &model.namespace.name, "get", "pods", "-l", "app=vllm-router"])?;
        let pods = pods["items"].as_array()?.clone();
        let is_new = |pod: &serde_json::Value| pod["spec"]["containers"][0]["command"][4] == "--service-discovery";
        (pods.len() == 2 && pods.iter().all(is_new)).then_some(())
    });
    wait::until("two ready routers", HANG, || {
        (model.namespace.client(ROUTER).endpoints().len() == 2).then_some(())
    });
    let refused = run(&["registry", "disable"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("--service-discovery"), "{}", refused.stderr);
    assert_eq!(workers(&model), [1, 1], "a router that is refused was changed");
}
