//! What routes mean, without a cluster.

use serde_json::{Value, json};

use super::cluster::{Kind, World};
use super::translate::{Translation, translate};

/// Services `a` and `b` with a ready pod each, `empty` without one, and a pool of `a`'s pod.
fn world() -> World {
    let mut world = World::default();
    for (service, ip) in [("a", Some("10.244.1.1")), ("b", Some("10.244.1.2")), ("empty", None)] {
        world.put(
            Kind::Service,
            json!({ "metadata": { "name": service }, "spec": { "ports": [{ "name": "http", "port": 80 }, { "name": "more", "port": 81 }] } }),
        );
        let endpoint = |ready: bool, ip: &str| json!({ "addresses": [ip], "conditions": { "ready": ready } });
        let mut endpoints = vec![endpoint(false, "10.244.9.9")];
        endpoints.extend(ip.map(|ip| endpoint(true, ip)));
        world.put(
            Kind::EndpointSlice,
            json!({
                "metadata": { "name": format!("{service}-x"), "labels": { "kubernetes.io/service-name": service } },
                "ports": [{ "name": "more", "port": 8001 }, { "name": "http", "port": 8000 }],
                "endpoints": endpoints,
            }),
        );
    }
    for (name, ready) in [("ready", "True"), ("loading", "False")] {
        world.put(
            Kind::Pod,
            json!({
                "metadata": { "name": name, "labels": { "app": "a", "more": "x" } },
                "status": { "podIP": "10.244.1.1", "conditions": [{ "type": "Ready", "status": ready }] },
            }),
        );
    }
    world.put(
        Kind::InferencePool,
        json!({
            "metadata": { "name": "pool" },
            "spec": { "selector": { "matchLabels": { "app": "a" } }, "targetPorts": [{ "number": 8000 }, { "number": 8001 }] },
        }),
    );
    world
}

/// The translation of routes of these rules, `r0` being the oldest.
fn of(rules: &[Value]) -> Translation {
    let mut world = world();
    for (number, rules) in rules.iter().enumerate() {
        world.put(
            Kind::HttpRoute,
            json!({
                "metadata": { "name": format!("r{number}"), "generation": 3, "creationTimestamp": format!("2026-01-0{number}") },
                "spec": { "parentRefs": [{ "name": super::GATEWAY }], "rules": rules },
            }),
        );
    }
    translate(&world, "ns", 503)
}

fn backends(all: &[(&str, Option<u64>)]) -> Value {
    let backend = |(name, weight): &(&str, Option<u64>)| {
        let mut backend = json!({ "name": name, "port": 80 });
        if let Some(weight) = weight {
            backend["weight"] = json!(weight);
        }
        backend
    };
    let all: Vec<Value> = all.iter().map(backend).collect();
    json!([{ "matches": [{}], "backendRefs": all }])
}

/// What becomes of a request, and ResolvedRefs.
fn action(rules: &Value) -> (Value, String) {
    let translation = of(std::slice::from_ref(rules));
    let route = &translation.config.hosts[0]["routes"][0];
    let action = match &route["direct_response"] {
        Value::Null => route["route"]["weighted_clusters"]["clusters"].clone(),
        direct => direct["status"].clone(),
    };
    let conditions = &translation.parents["r0"][0]["conditions"];
    assert_eq!(conditions[0]["status"], "True", "accepted");
    assert_eq!(conditions[1]["observedGeneration"], 3);
    (action, conditions[1]["reason"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn weights_split_a_rule_and_one_that_is_not_given_is_1() {
    let (split, resolved) = action(&backends(&[("a", Some(7)), ("b", None), ("empty", Some(0))]));
    assert_eq!(
        split,
        json!([{ "name": "service.a.80", "weight": 7 }, { "name": "service.b.80", "weight": 1 }])
    );
    assert_eq!(resolved, "ResolvedRefs");
}

#[test]
fn a_rule_without_weight_and_one_without_a_backend_are_answered_by_the_gateway() {
    assert_eq!(action(&backends(&[("a", Some(0)), ("b", Some(0))])).0, 503);
    assert_eq!(action(&backends(&[])).0, 503);
}

#[test]
fn a_backend_that_does_not_resolve_keeps_its_share_of_failures() {
    assert_eq!(
        action(&backends(&[("nobody", Some(1))])),
        (json!(500), "BackendNotFound".to_owned())
    );
    assert_eq!(
        action(&backends(&[("nobody", Some(0))])),
        (json!(503), "BackendNotFound".to_owned())
    );
    let (split, _) = action(&backends(&[("a", Some(2)), ("nobody", Some(3))]));
    assert_eq!(
        split,
        json!([{ "name": "service.a.80", "weight": 2 }, { "name": "unresolved", "weight": 3 }])
    );
    let mut elsewhere = backends(&[("a", Some(1))]);
    elsewhere[0]["backendRefs"][0]["namespace"] = json!("another");
    assert_eq!(action(&elsewhere), (json!(500), "RefNotPermitted".to_owned()));
    let mut port = backends(&[("a", Some(1))]);
    port[0]["backendRefs"][0]["port"] = json!(8000);
    assert_eq!(action(&port), (json!(500), "BackendNotFound".to_owned()));
}

#[test]
fn a_backend_is_its_ready_addresses() {
    let pool = json!({ "group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool" });
    let mut rules = backends(&[("a", None), ("empty", None), ("pool", None)]);
    rules[0]["backendRefs"][2] = pool;
    let clusters = of(&[rules]).config.clusters;
    let of = |name: &str| clusters[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("service.a.80"), ["127.244.1.1:8000"]);
    assert_eq!(of("service.empty.80"), Vec::<&str>::new());
    assert_eq!(of("pool.pool"), ["127.244.1.1:8000", "127.244.1.1:8001"]);
}

#[test]
fn the_narrowest_match_comes_first_and_then_the_oldest_route() {
    let rule = |wanted: Value| json!([{ "matches": [wanted], "backendRefs": [{ "name": "a", "port": 80 }] }]);
    let prefix = |value: &str| json!({ "path": { "type": "PathPrefix", "value": value } });
    let mut header = prefix("/v1");
    header["headers"] = json!([{ "name": "x", "value": "y" }]);
    let rules = [
        prefix("/"),
        prefix("/v1"),
        prefix("/v1"),
        header,
        prefix("/v1/chat"),
        json!({ "path": { "type": "Exact", "value": "/v1" } }),
    ];
    let hosts = of(&rules.map(rule)).config.hosts;
    let routes = hosts[0]["routes"].as_array().cloned().unwrap_or_default();
    let paths: Vec<Value> = routes
        .iter()
        .map(|route| {
            let wanted = &route["match"];
            let path = ["path", "path_separated_prefix", "prefix"]
                .into_iter()
                .find_map(|key| wanted.get(key));
            json!([path, wanted["headers"].as_array().map(Vec::len)])
        })
        .collect();
    assert_eq!(
        json!(paths),
        json!([
            ["/v1", 0],
            ["/v1/chat", 0],
            ["/v1", 1],
            ["/v1", 0],
            ["/v1", 0],
            ["/", 0]
        ])
    );
}

#[test]
fn what_this_gateway_cannot_do_it_does_not_accept() {
    let mut rules = backends(&[("a", None)]);
    rules[0]["filters"] = json!([{ "type": "URLRewrite" }]);
    let translation = of(&[rules]);
    assert_eq!(translation.config.hosts, json!([]));
    let accepted = &translation.parents["r0"][0]["conditions"][0];
    assert_eq!(
        (&accepted["status"], &accepted["reason"]),
        (&json!("False"), &json!("UnsupportedValue"))
    );
}

#[test]
fn a_duration_is_written_as_envoy_reads_it() {
    let mut rules = backends(&[("a", None)]);
    rules[0]["timeouts"] = json!({ "request": "1m30s" });
    assert_eq!(of(&[rules]).config.hosts[0]["routes"][0]["route"]["timeout"], "90.000s");
}
