//! vllm-router as pods of the cluster, in a namespace of their own, whose replicas are reached through the API server alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::names::{NameProxy, Names};
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Caller, Hook, Moment};
use vllm_rollback_harness::rbac::{self, Permission};
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::tool::Tool;
use vllm_rollback_harness::{http, paths, wait};

use super::{row, two_revisions};
use crate::fixture::{MODEL, RELEASE, SERVICE};
use crate::permissions::assert_is_what_is_called;
use crate::roles;

const ROUTER: &str = "vllm-router";

/// Two replicas of the router with this worker, and with these further words in their command.
fn deploy(namespace: &Namespace<'_>, worker: &str, proxy: &NameProxy, program: &str, more: &str) {
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

/// Deletes a router's pod, and waits for the next one.
fn replace_one(namespace: &Namespace<'_>) {
    let endpoints = || BTreeSet::from_iter(namespace.client(ROUTER).endpoints());
    let before = endpoints();
    let pods = namespace
        .kubectl()
        .json(&["-n", &namespace.name, "get", "pods", "-l", "app=vllm-router"])
        .expect("pods");
    let pod = pods["items"][0]["metadata"]["name"]
        .as_str()
        .expect("a name")
        .to_owned();
    namespace
        .kubectl()
        .run(&["-n", &namespace.name, "delete", "pod", &pod, "--wait=false"]);
    wait::until("another router in its place", HANG, || {
        let now = endpoints();
        (now.len() == 2 && now != before).then_some(())
    });
}

/// How many workers each replica has.
fn workers(namespace: &Namespace<'_>) -> Vec<usize> {
    let count = |address: String| {
        let url = format!("http://{address}/list_workers");
        let (_, body) = http::get(&url, Duration::from_secs(5)).expect("a router answers");
        let parsed: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        parsed["urls"].as_array().map_or(0, Vec::len)
    };
    namespace.client(ROUTER).endpoints().into_iter().map(count).collect()
}

/// A proxy that keeps what the tool needs in this namespace.
fn watched(namespace: &Namespace<'_>) -> (ApiProxy, Arc<Mutex<BTreeSet<Permission>>>) {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let (kept, name) = (Arc::clone(&seen), namespace.name.clone());
    let hook: Hook = Arc::new(move |call, moment| {
        if moment == Moment::Before && call.by == Caller::Tool {
            kept.lock().unwrap().extend(rbac::needed(call, &name));
        }
        Act::Pass
    });
    (ApiProxy::start(namespace.testbed, hook), seen)
}

/// A user who has the documented Role of a verb in the release's namespace, and that of the router in the router's.
fn user(release: &Namespace<'_>, routers: &Namespace<'_>, verb: &str) -> (tempfile::TempDir, PathBuf) {
    let credentials = roles::user(release, &[verb]);
    let kubectl = routers.kubectl();
    let file = paths::root().join("docs/roles/router.yaml");
    let account = format!("--serviceaccount={}:user-{verb}", release.name);
    for words in [
        &["apply", "-f", &file.to_string_lossy()][..],
        &[
            "create",
            "rolebinding",
            "router",
            "--role=vllm-rollback-router",
            &account,
        ],
    ] {
        kubectl.run(&[words, &["-n", &routers.name]].concat());
    }
    credentials
}

#[test]
fn every_replica_behind_a_service_is_fenced_and_one_that_finds_pods_by_itself_is_refused() {
    let Some(program) = paths::router(ROUTER) else {
        row::skip(ROUTER);
        return;
    };
    let program = program.to_string_lossy();
    let model = two_revisions("routerpods", Major::Four);
    let routers = Namespace::create(model.namespace.testbed, "routers");
    let name = format!("{SERVICE}.{}.svc.cluster.local:8000", model.namespace.name);
    let worker = format!("http://{name}");
    let names = Names::follow(BTreeMap::from([(name, model.namespace.client(SERVICE))]));
    let proxy = NameProxy::start(&names);
    deploy(&routers, &worker, &proxy, &program, "");
    let service = format!("{}/{ROUTER}", routers.name);
    let run = |tool: Tool, verb: &[&str]| {
        let place = ["--registry", ROUTER, "--router-service", &service, "--model", MODEL];
        tool.run(&[verb, &[RELEASE, "--yes"], &place].concat())
    };
    let (api, seen) = watched(&routers);
    let seen_by_the_api = || model.tool().kubeconfig(api.kubeconfig());
    run(seen_by_the_api(), &["registry", "disable"]).expect_code(0);
    assert_eq!(workers(&routers), [0, 0]);
    // The new pod has the worker of its arguments, and a name that nobody remembers.
    replace_one(&routers);
    assert_eq!(workers(&routers).iter().sum::<usize>(), 1);
    run(seen_by_the_api(), &["registry", "disable"]).expect_code(0);
    assert_eq!(workers(&routers), [0, 0]);
    run(seen_by_the_api(), &["registry", "enable"]).expect_code(0);
    assert_eq!(workers(&routers), [1, 1]);
    assert_is_what_is_called("router", seen.lock().unwrap().clone());
    let (_dir, kubeconfig) = user(&model.namespace, &routers, "rollback");
    run(model.tool().kubeconfig(&kubeconfig), &["rollback"]).expect_code(0);
    assert_eq!(workers(&routers), [1, 1]);
    model.assert_serves(1);

    deploy(&routers, &worker, &proxy, &program, "--service-discovery");
    wait::until("routers of the new kind", HANG, || {
        let pods = routers
            .kubectl()
            .json(&["-n", &routers.name, "get", "pods", "-l", "app=vllm-router"])?;
        let pods = pods["items"].as_array()?.clone();
        let is_new = |pod: &serde_json::Value| pod["spec"]["containers"][0]["command"][4] == "--service-discovery";
        (pods.len() == 2 && pods.iter().all(is_new)).then_some(())
    });
    wait::until("two ready routers", HANG, || {
        (routers.client(ROUTER).endpoints().len() == 2).then_some(())
    });
    let refused = run(model.tool(), &["registry", "disable"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("--service-discovery"), "{}", refused.stderr);
    assert_eq!(workers(&routers), [1, 1], "a router that is refused was changed");
}
