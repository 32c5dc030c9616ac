//! What a route can be beyond one backend: shared, generated, the release's own, behind a replica that lags.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use vllm_rollback_harness::gateway::Pace;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Caller, Hook, Moment};
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::tool::Ran;
use vllm_rollback_harness::{http, wait};

use super::door::{Clients, Door};
use super::{route, row, run, start, two_revisions};
use crate::fixture::{MODEL, Model, RECREATE, SERVICE, assert_restored};
use crate::gateway::{ROUTE, Routed, ai_route, http_route, pool, route_of, service};
use crate::on_both_helms;
use crate::roles::user;

/// Another release's Service.
const OTHER: &str = "other-vllm-deployment";

const ROLLBACK: &[&str] = &["rollback"];
const TO_FIRST: [&str; 5] = ["1", "--to-rejected", "--yes", "-o", "json"];

/// Two revisions behind a gateway, in traffic by these objects.
fn routed(hint: &str, major: Major, objects: impl FnOnce(&Model) -> Vec<Value>) -> Option<Routed> {
    let Some(routed) = Routed::new(two_revisions(hint, major)) else {
        row::skip("route");
        return None;
    };
    for object in objects(&routed.model) {
        routed.apply(object);
    }
    served(&routed);
    Some(routed)
}

fn served(routed: &Routed) {
    for door in routed.doors() {
        wait::until("an answer", HANG, || door.ask().is_served().then_some(()));
    }
}

/// Runs the tool with this route, through every replica.
fn tool(routed: &Routed, route: &str, verb: &[&str]) -> Ran {
    let arguments = route::arguments(route, routed.gateway.urls());
    let more: &[&str] = if verb == ROLLBACK { &TO_FIRST } else { &["--yes"] };
    run(&routed.model.tool(), verb, &arguments, more)
}

fn disable(routed: &Routed) -> Ran {
    tool(routed, ROUTE, &["registry", "disable"])
}

fn enable(routed: &Routed) -> Ran {
    tool(routed, ROUTE, &["registry", "enable"])
}

fn roll_back(routed: &Routed, route: &str) {
    assert_restored(&tool(routed, route, ROLLBACK).expect_code(0).report(), 1);
}

/// Nothing was done, and this is why.
#[track_caller]
fn refused(ran: &Ran, says: &str) {
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains(says), "another error: {}", ran.stderr);
}

fn weights(routed: &Routed) -> Vec<u64> {
    let all = routed.weights("httproute", ROUTE).into_iter();
    all.map(|(_, weight)| weight).collect()
}

/// Who owns what of the route's spec.
fn managers(routed: &Routed) -> Vec<(Value, Value)> {
    let namespace = &routed.model.namespace.name;
    let path = format!("/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes/{ROUTE}");
    let route = routed
        .model
        .namespace
        .testbed
        .api()
        .get(&path)
        .expect("the route is there");
    let entries = route["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let of_spec = entries.iter().filter(|entry| !entry["fieldsV1"]["f:spec"].is_null());
    of_spec
        .map(|entry| (entry["manager"].clone(), entry["fieldsV1"]["f:spec"].clone()))
        .collect()
}

on_both_helms!(
    weights_come_back_exactly_and_another_releases_share_goes_on_serving,
    |major| {
        let Some(routed) = routed("weights", major, |model| {
            let set = [RECREATE, "revisionLabel=9", "hookJob.enabled=false"];
            model.helm().install("other", &set);
            vec![http_route(ROUTE, &[service(SERVICE, 7), service(OTHER, 3)])]
        }) else {
            return;
        };
        let is_others = |door: &Door| door.ask().text.contains("revision 9.");
        disable(&routed).expect_code(0);
        assert_eq!(weights(&routed), [0, 3]);
        for door in routed.doors() {
            assert!((0..200).all(|_| is_others(&door)), "an answer of this release, or none");
        }
        disable(&routed).expect_code(0);
        enable(&routed).expect_code(0);
        assert_eq!(weights(&routed), [7, 3]);
        // Where others answer, a replica that lags is seen by what the pods count.
        routed.gateway.pace(1, Pace::Late(Duration::from_secs(2)));
        disable(&routed).expect_code(0);
        assert!(
            (0..200).all(|_| is_others(&routed.doors()[1])),
            "confirmed before it followed"
        );
        routed.gateway.pace(1, Pace::Prompt);
        enable(&routed).expect_code(0);
        let clients = Clients::at(routed.doors());
        let before = managers(&routed);
        roll_back(&routed, ROUTE);
        assert_eq!(weights(&routed), [7, 3]);
        assert_eq!(managers(&routed), before);
        for door in routed.doors() {
            wait::until("this release again", HANG, || {
                door.ask().text.contains("revision 1.").then_some(())
            });
        }
        // Weight 0 is not a failure of the rule: whoever asked was answered.
        let knocks = clients.call_back().concat();
        let lost = knocks.iter().filter(|knock| knock.text.is_none()).count();
        assert_eq!(lost, 0, "of {} requests", knocks.len());
    }
);

#[test]
fn every_route_that_leads_to_the_release_is_taken_when_none_is_named() {
    let Some(routed) = routed("allroutes", Major::Four, |_| {
        let rule = |prefix: &str, name: &str, weight: u64| {
            let path = json!({ "type": "PathPrefix", "value": prefix });
            json!({ "matches": [{ "path": path }], "backendRefs": [service(name, weight)] })
        };
        let two = json!([
            rule("/v1", SERVICE, 2),
            rule("/v1/chat", SERVICE, 5),
            rule("/other", OTHER, 4)
        ]);
        vec![
            route_of(ROUTE, &two),
            route_of("more", &json!([rule("/more", SERVICE, 3)])),
            route_of("others", &json!([rule("/others", OTHER, 1)])),
        ]
    }) else {
        return;
    };
    let of = |name: &str| -> Vec<u64> {
        let route = routed.get("httproute", name);
        let rules = route["spec"]["rules"].as_array().cloned().unwrap_or_default();
        let weight = |rule: &Value| rule["backendRefs"][0]["weight"].as_u64().expect("a weight");
        rules.iter().map(weight).collect()
    };
    let all = || [of(ROUTE), of("more"), of("others")].concat();
    let run = |verb: &[&str], more: &[&str]| {
        let mut words = route::arguments(ROUTE, routed.gateway.urls());
        words.retain(|word| word != "--route" && word != ROUTE);
        run(&routed.model.tool(), verb, &words, more).expect_code(0)
    };
    run(&["registry", "disable"], &["--yes"]);
    assert_eq!(all(), [0, 0, 4, 0, 1]);
    assert!(routed.doors().iter().all(|door| !door.ask().is_served()));
    run(&["registry", "enable"], &["--yes"]);
    assert_eq!(all(), [2, 5, 4, 3, 1]);
    run(ROLLBACK, &TO_FIRST);
    assert_eq!(all(), [2, 5, 4, 3, 1]);
    served(&routed);
}

on_both_helms!(a_route_of_the_releases_own_manifest_is_refused, |major| {
    let object = |key: &str, value: &str| format!("extraObjects[0].{key}={value}");
    let set = [
        object("apiVersion", "gateway.networking.k8s.io/v1"),
        object("kind", "HTTPRoute"),
        object("metadata.name", ROUTE),
        object("spec.parentRefs[0].name", "models"),
        object("spec.rules[0].backendRefs[0].name", SERVICE),
        object("spec.rules[0].backendRefs[0].port", "8000"),
    ];
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    vllm_rollback_harness::gateway::crds::install(vllm_rollback_harness::testbed::Testbed::shared());
    let model = Model::good_with("ownroute", major, &set);
    assert!(model.upgrade_and_wait(2, &set, "120s"), "revision 2 did not get ready");
    let Some(routed) = Routed::new(model) else {
        row::skip("route");
        return;
    };
    served(&routed);
    for verb in [&["registry", "disable"][..], ROLLBACK] {
        refused(&tool(&routed, ROUTE, verb), "it is part of this release");
        assert_eq!(weights(&routed), [1]);
    }
    assert_eq!(routed.model.statuses().len(), 2, "nothing was rolled back");
});

#[test]
fn an_inference_pool_is_a_backend_as_a_service_is() {
    let Some(routed) = routed("pool", Major::Four, |_| {
        let backend = |name: &str, weight: u64| json!({ "group": "inference.networking.k8s.io", "kind": "InferencePool", "name": name, "weight": weight });
        let mut foreign = pool("foreign");
        foreign["spec"]["selector"]["matchLabels"] = json!({ "app.kubernetes.io/instance": "other" });
        let rules = json!([
            { "backendRefs": [backend("llama", 2)] },
            { "matches": [{ "path": { "value": "/foreign" } }], "backendRefs": [backend("foreign", 1)] },
        ]);
        vec![pool("llama"), foreign, route_of(ROUTE, &rules)]
    }) else {
        return;
    };
    let foreign = || routed.get("httproute", ROUTE)["spec"]["rules"][1]["backendRefs"][0]["weight"].clone();
    disable(&routed).expect_code(0);
    assert_eq!((weights(&routed), foreign()), (vec![0], json!(1)));
    assert!(routed.doors().iter().all(|door| !door.ask().is_served()));
    enable(&routed).expect_code(0);
    assert_eq!((weights(&routed), foreign()), (vec![2], json!(1)));
    roll_back(&routed, ROUTE);
    assert_eq!(weights(&routed), [2]);
    served(&routed);
}

#[test]
fn an_ai_gateway_route_is_changed_itself_and_not_what_is_made_of_it() {
    let Some(routed) = routed("airoute", Major::Four, |model| {
        ai_route(ROUTE, &model.namespace.name).to_vec()
    }) else {
        return;
    };
    let both = || {
        [
            routed.weights("aigatewayroute", ROUTE)[0].1,
            routed.weights("httproute", ROUTE)[0].1,
        ]
    };
    let named = format!("aigatewayroute/{ROUTE}");
    // Its controller would write the weight back.
    refused(
        &tool(&routed, ROUTE, &["registry", "disable"]),
        "AIGatewayRoute/models controls it",
    );
    assert_eq!(both(), [1, 1]);
    tool(&routed, &named, &["registry", "disable"]).expect_code(0);
    assert_eq!(both(), [0, 0]);
    assert!(routed.doors().iter().all(|door| !door.ask().is_served()));
    tool(&routed, &named, &["registry", "enable"]).expect_code(0);
    assert_eq!(both(), [1, 1]);
    served(&routed);
    roll_back(&routed, &named);
    assert_eq!(both(), [1, 1]);
    served(&routed);
}

#[test]
fn a_replica_that_lags_is_awaited() {
    let Some(routed) = routed("lag", Major::Four, |_| vec![http_route(ROUTE, &[service(SERVICE, 1)])]) else {
        return;
    };
    let late = &routed.doors()[1];
    routed.gateway.pace(1, Pace::Late(Duration::from_secs(3)));
    disable(&routed).expect_code(0);
    assert!(
        (0..200).all(|_| !late.ask().is_served()),
        "confirmed before the replica followed"
    );
    enable(&routed).expect_code(0);
    assert!(late.ask().is_served(), "confirmed before the replica followed");
    assert_eq!(weights(&routed), [1]);
}

/// An answer by 500 looks like the gateway's own, but for who gave it.
#[test]
fn a_model_that_fails_behind_a_replica_that_lags_is_not_taken_for_a_stop() {
    let Some(routed) = Routed::new(Model::good("fails", Major::Four)) else {
        row::skip("route");
        return;
    };
    routed.apply(http_route(ROUTE, &[service(SERVICE, 1)]));
    served(&routed);
    let failing = ["faults.ERROR_SHARE=1"];
    assert!(routed.model.upgrade_and_wait(2, &failing, "120s"));
    let late = routed.gateway.urls()[1].clone();
    let is_of_the_model = || {
        http::block_on(async {
            let client = http::client(Duration::from_secs(10)).build().expect("a client");
            let body = json!({ "model": MODEL, "prompt": "Who are you?", "max_tokens": 16 });
            let request = client.post(format!("{late}/v1/completions")).json(&body);
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 500);
            answer.headers().contains_key("x-envoy-upstream-service-time")
        })
    };
    wait::until("the failing model", HANG, || is_of_the_model().then_some(()));
    routed.gateway.pace(1, Pace::Late(Duration::from_secs(3)));
    disable(&routed).expect_code(0);
    assert!(
        (0..100).all(|_| !is_of_the_model()),
        "confirmed before the replica followed"
    );
    routed.gateway.pace(1, Pace::Prompt);
    roll_back(&routed, ROUTE);
    enable(&routed).expect_code(0);
    served(&routed);
}

#[test]
fn a_gateway_whose_controller_is_away_is_not_believed() {
    let Some(routed) = routed("away", Major::Four, |_| vec![http_route(ROUTE, &[service(SERVICE, 1)])]) else {
        return;
    };
    routed.gateway.away(true);
    // Tells when the tool has looked at its route for the third time since it wrote the weight.
    let (is_written, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (looked, told) = mpsc::channel();
    let hook: Hook = Arc::new(move |call, moment| {
        if call.by == Caller::Tool && moment == Moment::After && call.path.contains("/httproutes") {
            is_written.fetch_or(call.method == "PATCH", Ordering::SeqCst);
            if is_written.load(Ordering::SeqCst) && call.method == "GET" && looks.fetch_add(1, Ordering::SeqCst) == 3 {
                let _ = looked.send(());
            }
        }
        Act::Pass
    });
    let proxy = ApiProxy::start(routed.model.namespace.testbed, hook);
    let tool = routed.model.tool().kubeconfig(proxy.kubeconfig());
    let arguments = route::arguments(ROUTE, routed.gateway.urls());
    let mut running = start(&tool, &["registry", "disable"], &arguments, &["--yes"]);
    told.recv_timeout(HANG).expect("the tool looks at its route");
    assert!(
        routed.doors().iter().all(|door| door.ask().is_served()),
        "nobody told Envoy"
    );
    assert_eq!(running.wait(Duration::ZERO), None, "it believed what nobody had read");
    routed.gateway.away(false);
    assert_eq!(running.wait(HANG), Some(0));
    assert!(routed.doors().iter().all(|door| !door.ask().is_served()));
    enable(&routed).expect_code(0);
    assert_eq!(weights(&routed), [1]);
}

#[test]
fn a_model_that_hangs_is_taken_back() {
    let Some(routed) = Routed::new(Model::good("hangs", Major::Four)) else {
        row::skip("route");
        return;
    };
    routed.apply(http_route(ROUTE, &[service(SERVICE, 1)]));
    served(&routed);
    assert!(routed.model.upgrade_and_wait(2, &["faults.HANG=true"], "120s"));
    roll_back(&routed, ROUTE);
    served(&routed);
}

#[test]
fn a_replica_that_does_not_follow_is_told_by_requests_that_the_route_takes() {
    const HOST: &str = "models.example.com";
    let Some(routed) = Routed::new(two_revisions("some", Major::Four)) else {
        row::skip("route");
        return;
    };
    let header = json!({ "name": "x-team", "value": "a" });
    let path = json!({ "type": "PathPrefix", "value": "/v1" });
    let mut route = route_of(
        ROUTE,
        &json!([{ "matches": [{ "path": path, "headers": [header] }], "backendRefs": [service(SERVICE, 1)] }]),
    );
    route["spec"]["hostnames"] = json!([HOST]);
    routed.apply(route);
    let ask = |url: &str| -> u16 {
        http::block_on(async {
            let client = http::client(Duration::from_secs(10)).build().expect("a client");
            let request = client.post(format!("{url}/v1/completions"));
            let request = request.header("host", HOST).header("x-team", "a");
            let body = json!({ "model": MODEL, "prompt": "Who are you?", "max_tokens": 16 });
            let answer = request.json(&body).send().await.expect("an answer");
            answer.status().as_u16()
        })
    };
    let urls = routed.gateway.urls();
    for url in &urls {
        wait::until("an answer", HANG, || (ask(url) == 200).then_some(()));
    }
    assert_eq!(routed.doors()[1].ask().status, Some(404), "not for everybody");
    // Without the host and the header, a replica that still lets the model in says 404, as if it did not.
    routed.gateway.pace(1, Pace::Held);
    let ran = disable(&routed).expect_code(13);
    assert!(ran.stderr.contains(&urls[1]), "{}", ran.stderr);
    assert_eq!(ask(&urls[1]), 200);
    routed.gateway.pace(1, Pace::Prompt);
    disable(&routed).expect_code(0);
    assert!(urls.iter().all(|url| ask(url) == 500));
    enable(&routed).expect_code(0);
    assert!(urls.iter().all(|url| ask(url) == 200));
}

#[test]
fn a_mirror_that_leads_to_the_release_is_refused() {
    let Some(routed) = routed("mirror", Major::Four, |model| {
        model
            .helm()
            .install("other", &[RECREATE, "revisionLabel=9", "hookJob.enabled=false"]);
        let to = json!({ "name": SERVICE, "port": 8000 });
        let mirror = json!({ "type": "RequestMirror", "requestMirror": { "backendRef": to } });
        let rules = json!([
            { "matches": [{ "path": { "value": "/mirrored" } }], "filters": [mirror], "backendRefs": [service(OTHER, 1)] },
            { "backendRefs": [service(SERVICE, 1)] },
        ]);
        vec![route_of(ROUTE, &rules)]
    }) else {
        return;
    };
    let before = routed.get("httproute", ROUTE)["spec"].clone();
    for verb in [&["registry", "disable"][..], ROLLBACK] {
        refused(&tool(&routed, ROUTE, verb), "copies of requests");
        assert_eq!(routed.get("httproute", ROUTE)["spec"], before);
    }
    assert_eq!(routed.model.statuses().len(), 2, "nothing was rolled back");
    served(&routed);
}

#[test]
fn one_more_role_is_needed_and_enough() {
    let Some(routed) = routed("routerole", Major::Four, |_| {
        vec![http_route(ROUTE, &[service(SERVICE, 1)])]
    }) else {
        return;
    };
    let run_as = |roles: &[&str]| {
        let (_kept, kubeconfig) = user(&routed.model.namespace, roles);
        let tool = routed.model.tool().kubeconfig(&kubeconfig);
        run(
            &tool,
            ROLLBACK,
            &route::arguments(ROUTE, routed.gateway.urls()),
            &TO_FIRST,
        )
    };
    refused(&run_as(&["run"]), "cannot list the HTTPRoutes");
    run_as(&["run", "route"]).expect_code(0);
    assert_eq!(weights(&routed), [1]);
}
