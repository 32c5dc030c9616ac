//! Envoy AI Gateway's part: it makes an HTTPRoute of the same name out of each AIGatewayRoute, and lets nobody else write
//! its rules.
//!
//! After `internal/controller/ai_gateway_route.go` at v1.1.0: backends are copied out of the AIServiceBackends, every path
//! matches, a last rule answers 404, and the route's only condition is `Accepted` or `NotAccepted`, without a generation.

use serde_json::{Value, json};

use super::cluster::{Kind, World, generation, name};
use super::translate::list;

/// Envoy AI Gateway's answer when no rule matches.
pub(super) const NOT_FOUND: &str = "No matching route found. It is likely because the model specified in your request is not configured in the Gateway.";

const API: &str = "aigateway.envoyproxy.io/v1beta1";
const FILTERS: &str = "gateway.envoyproxy.io";
const HOST_REWRITE: &str = "ai-eg-host-rewrite";
const ROUTE_NOT_FOUND: &str = "ai-eg-route-not-found-response";

/// The generated filter that sets the Host header: nothing behind this Gateway looks at that.
pub(super) fn is_host_rewrite(extension: &Value) -> bool {
    is_filter(extension, HOST_REWRITE)
}

/// The generated filter that answers 404.
pub(super) fn is_not_found(extension: &Value) -> bool {
    is_filter(extension, ROUTE_NOT_FOUND)
}

fn is_filter(extension: &Value, prefix: &str) -> bool {
    let name = extension["name"].as_str().unwrap_or_default();
    extension["group"] == FILTERS && extension["kind"] == "HTTPRouteFilter" && name.starts_with(prefix)
}

/// What the HTTPRoute of an AIGatewayRoute has to be, made on the one that is there.
///
/// # Errors
/// Which AIServiceBackend is missing.
pub(super) fn http_route(ai: &Value, there: Option<&Value>, namespace: &str, world: &World) -> Result<Value, String> {
    let base = name(ai);
    let filter = |kind: &str| {
        let name = format!("{kind}-{base}");
        let extension = json!({ "group": FILTERS, "kind": "HTTPRouteFilter", "name": name });
        json!([{ "type": "ExtensionRef", "extensionRef": extension }])
    };
    let any_path = json!({ "type": "PathPrefix", "value": "/" });
    let mut rules = Vec::new();
    for rule in list(&ai["spec"]["rules"]) {
        let backends: Result<Vec<Value>, String> = list(&rule["backendRefs"])
            .map(|backend| http_backend(backend, namespace, world))
            .collect();
        let matches =
            list(&rule["matches"]).map(|wanted| fields(&[("headers", &wanted["headers"]), ("path", &any_path)]));
        let matches: Vec<Value> = matches.collect();
        let timeouts = match &rule["timeouts"] {
            Value::Null => json!({ "request": "60s" }),
            timeouts => timeouts.clone(),
        };
        rules.push(fields(&[
            ("name", &rule["name"]),
            (
                "matches",
                &if matches.is_empty() {
                    Value::Null
                } else {
                    json!(matches)
                },
            ),
            ("backendRefs", &json!(backends?)),
            ("filters", &filter(HOST_REWRITE)),
            ("timeouts", &timeouts),
        ]));
    }
    rules.push(json!({
        "name": "route-not-found", "matches": [{ "path": any_path }], "filters": filter(ROUTE_NOT_FOUND),
    }));
    let mut route = there.cloned().unwrap_or_else(|| {
        let owner = json!({
            "apiVersion": API, "kind": "AIGatewayRoute", "name": base, "uid": ai["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        });
        json!({ "metadata": { "name": base, "ownerReferences": [owner] } })
    });
    route["apiVersion"] = json!("gateway.networking.k8s.io/v1");
    route["kind"] = json!("HTTPRoute");
    route["metadata"]["annotations"]["gateway.envoyproxy.io/ai-gateway-generated"] = json!("true");
    let (parents, hostnames) = (&ai["spec"]["parentRefs"], &ai["spec"]["hostnames"]);
    route["spec"] = fields(&[
        ("parentRefs", parents),
        ("hostnames", hostnames),
        ("rules", &json!(rules)),
    ]);
    Ok(route)
}

/// Those that are there: the API server takes no nulls.
fn fields(all: &[(&str, &Value)]) -> Value {
    let there = all.iter().filter(|(_, value)| !value.is_null());
    there
        .map(|(key, value)| ((*key).to_owned(), (*value).clone()))
        .collect()
}

fn http_backend(backend: &Value, namespace: &str, world: &World) -> Result<Value, String> {
    let mut made = if backend["kind"].is_null() {
        let name = backend["name"].as_str().unwrap_or_default();
        let found = world.get(Kind::AiServiceBackend, name);
        let found = found.ok_or_else(|| format!("AIServiceBackend {name}.{namespace} not found"))?;
        found["spec"]["backendRef"].clone()
    } else {
        json!({
            "group": backend["group"], "kind": backend["kind"], "name": backend["name"], "namespace": namespace,
        })
    };
    made["weight"] = json!(backend["weight"].as_u64().unwrap_or(1));
    Ok(made)
}

/// The condition of an AIGatewayRoute, without its time.
pub(super) fn condition(failed: Option<&String>) -> Value {
    match failed {
        None => json!({
            "type": "Accepted", "status": "True", "reason": "ReconciliationSucceeded",
            "message": "AI Gateway Route reconciled successfully",
        }),
        Some(why) => json!({
            "type": "NotAccepted", "status": "False", "reason": "ReconciliationFailed", "message": why,
        }),
    }
}

/// What a generated route rests on: when it is the same, the route has to be, too.
pub(super) fn inputs(ai: &Value, world: &World) -> Vec<(String, u64)> {
    let mut all = vec![(name(ai), generation(ai))];
    for rule in list(&ai["spec"]["rules"]) {
        for backend in list(&rule["backendRefs"]) {
            let name = backend["name"].as_str().unwrap_or_default();
            let found = world.get(Kind::AiServiceBackend, name);
            all.push((name.to_owned(), found.map_or(0, generation)));
        }
    }
    all
}
