//! The gateway that the driver `route` is held against, alone: real Envoys follow the routes' weights, and statuses say so.

use std::time::Duration;

use serde_json::{Value, json};
use vllm_rollback_harness::client::Answer;
use vllm_rollback_harness::gateway::{CONTROLLER, GATEWAY, Gateway, Pace, Setup};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::wait;

use crate::drivers::Door;
use crate::fixture::{MODEL, Model, RELEASE, SERVICE};

/// Name of the one route that most cases have.
pub(crate) const ROUTE: &str = "models";

/// A model behind a gateway.
pub(crate) struct Routed {
    pub(crate) model: Model,
    pub(crate) gateway: Gateway,
}

impl Routed {
    /// A gateway in front of this model, still without a route. None when Envoy is not installed.
    pub(crate) fn new(model: Model) -> Option<Self> {
        let gateway = Gateway::start(&model.namespace, Setup::default())?;
        Some(Self { model, gateway })
    }

    /// Makes an object in the model's namespace.
    pub(crate) fn apply(&self, mut object: Value) {
        object["metadata"]["namespace"] = json!(self.model.namespace.name);
        self.model.namespace.kubectl().apply(&object.to_string());
    }

    /// An object as it is now.
    pub(crate) fn get(&self, kind: &str, name: &str) -> Value {
        let words = ["-n", &self.model.namespace.name, "get", kind, name];
        self.model.namespace.kubectl().json(&words).expect("it is there")
    }

    /// Changes an object with a JSON patch of one step.
    pub(crate) fn replace(&self, kind: &str, name: &str, path: &str, value: &Value) {
        let patch = json!([{ "op": "replace", "path": path, "value": value }]).to_string();
        let namespace = &self.model.namespace.name;
        let words = ["-n", namespace, "patch", kind, name, "--type=json", "-p", &patch];
        self.model.namespace.kubectl().run(&words);
    }

    /// Gives a backend of the first rule this weight.
    pub(crate) fn set_weight(&self, kind: &str, name: &str, backend: usize, weight: u64) {
        let path = format!("/spec/rules/0/backendRefs/{backend}/weight");
        self.replace(kind, name, &path, &json!(weight));
    }

    /// `(name, weight)` of each backend of the first rule.
    pub(crate) fn weights(&self, kind: &str, name: &str) -> Vec<(String, u64)> {
        let route = self.get(kind, name);
        let backends = route["spec"]["rules"][0]["backendRefs"].as_array().cloned();
        let of = |backend: &Value| {
            let name = backend["name"].as_str().unwrap_or_default().to_owned();
            (
                name,
                backend["weight"].as_u64().expect("the API server gives a default"),
            )
        };
        backends.iter().flatten().map(of).collect()
    }

    /// A way in through each replica.
    pub(crate) fn doors(&self) -> Vec<Door> {
        let door = |url| Door::Router { url, key: None };
        self.gateway.urls().into_iter().map(door).collect()
    }

    fn ask(&self, replica: usize) -> Answer {
        self.doors()[replica].ask()
    }

    #[track_caller]
    fn until(&self, replica: usize, status: u16) {
        wait::until(&format!("HTTP {status} from replica {replica}"), HANG, || {
            (self.ask(replica).status == Some(status)).then_some(())
        });
    }

    /// Waits until the route's status is of its generation; its conditions by type, `True` as true.
    #[track_caller]
    fn status(&self) -> (bool, bool) {
        wait::until("a status of this generation", HANG, || {
            let route = self.get("httproute", ROUTE);
            let parent = &route["status"]["parents"][0];
            let of = |kind: &str| {
                let conditions = parent["conditions"].as_array()?;
                let found = conditions.iter().find(|condition| condition["type"] == kind)?;
                (found["observedGeneration"] == route["metadata"]["generation"]).then(|| found["status"] == "True")
            };
            assert!(parent.is_null() || parent["controllerName"] == CONTROLLER);
            Some((of("Accepted")?, of("ResolvedRefs")?))
        })
    }
}

/// A backend that is a Service.
pub(crate) fn service(name: &str, weight: u64) -> Value {
    json!({ "name": name, "port": 8000, "weight": weight })
}

/// A route for everything, to these backends.
pub(crate) fn http_route(name: &str, backends: &[Value]) -> Value {
    let rules = json!([{ "backendRefs": backends }]);
    route_of(name, &rules)
}

/// A route of these rules.
pub(crate) fn route_of(name: &str, rules: &Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": { "name": name },
        "spec": { "parentRefs": [{ "name": GATEWAY }], "rules": rules },
    })
}

/// The release's pods as an InferencePool of this name.
pub(crate) fn pool(name: &str) -> Value {
    json!({
        "apiVersion": "inference.networking.k8s.io/v1", "kind": "InferencePool",
        "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "app.kubernetes.io/instance": RELEASE } },
            "targetPorts": [{ "number": 8000 }],
            "endpointPickerRef": { "name": "picker", "port": { "number": 9002 } },
        },
    })
}

/// An AIGatewayRoute for the model to the release's Service, with the objects between the two, all of this name.
pub(crate) fn ai_route(name: &str, namespace: &str) -> [Value; 3] {
    let host = format!("{SERVICE}.{namespace}.svc.cluster.local");
    let header = json!({ "type": "Exact", "name": "x-ai-eg-model", "value": MODEL });
    [
        json!({
            "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "Backend", "metadata": { "name": name },
            "spec": { "endpoints": [{ "fqdn": { "hostname": host, "port": 8000 } }] },
        }),
        json!({
            "apiVersion": "aigateway.envoyproxy.io/v1beta1", "kind": "AIServiceBackend", "metadata": { "name": name },
            "spec": {
                "schema": { "name": "OpenAI" },
                "backendRef": { "group": "gateway.envoyproxy.io", "kind": "Backend", "name": name },
            },
        }),
        json!({
            "apiVersion": "aigateway.envoyproxy.io/v1beta1", "kind": "AIGatewayRoute", "metadata": { "name": name },
            "spec": {
                "parentRefs": [{ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY }],
                "rules": [{ "matches": [{ "headers": [header] }], "backendRefs": [{ "name": name }] }],
            },
        }),
    ]
}

#[test]
fn envoys_follow_the_weights_and_a_status_is_of_the_routes_generation() {
    let Some(routed) = Routed::new(Model::good("gateway", Major::Four)) else {
        crate::drivers::skip("route");
        return;
    };
    assert_eq!(routed.ask(0).status, Some(404), "there is no route yet");
    // The API server gives the weight.
    routed.apply(http_route(ROUTE, &[json!({ "name": SERVICE, "port": 8000 })]));
    assert_eq!(routed.weights("httproute", ROUTE), [(SERVICE.to_owned(), 1)]);
    for weight in [1, 0, 7] {
        routed.set_weight("httproute", ROUTE, 0, weight);
        let status = if weight == 0 { 500 } else { 200 };
        (0..2).for_each(|replica| routed.until(replica, status));
        assert_eq!(routed.status(), (true, true));
    }

    // A replica that lags does not show in the status.
    routed.gateway.pace(1, Pace::Held);
    routed.set_weight("httproute", ROUTE, 0, 0);
    routed.until(0, 500);
    assert_eq!(routed.status(), (true, true));
    assert!((0..50).all(|_| routed.ask(1).is_served()), "it was held back");
    routed.gateway.pace(1, Pace::Prompt);
    routed.until(1, 500);
    let by = Duration::from_secs(1);
    routed.gateway.pace(1, Pace::Late(by));
    let start = std::time::Instant::now();
    routed.set_weight("httproute", ROUTE, 0, 1);
    routed.until(1, 200);
    assert!(start.elapsed() >= by, "it was not late");

    // A backend that is not there, and one without a pod.
    let path = "/spec/rules/0/backendRefs/0/name";
    routed.replace("httproute", ROUTE, path, &json!("nobody"));
    (0..2).for_each(|replica| routed.until(replica, 500));
    assert_eq!(routed.status(), (true, false));
    routed.replace("httproute", ROUTE, path, &json!(SERVICE));
    routed.until(0, 200);
    let namespace = &routed.model.namespace.name;
    let scale = ["-n", namespace, "scale", "deployment", SERVICE, "--replicas=0"];
    routed.model.namespace.kubectl().run(&scale);
    routed.until(0, 503);
    assert_eq!(routed.status(), (true, true));

    // Of another Gateway, of no listener: not ours.
    routed.replace(
        "httproute",
        ROUTE,
        "/spec/parentRefs/0",
        &json!({ "name": GATEWAY, "sectionName": "https" }),
    );
    (0..2).for_each(|replica| routed.until(replica, 404));
    assert_eq!(routed.status(), (false, true));
    routed.replace("httproute", ROUTE, "/spec/parentRefs/0", &json!({ "name": "another" }));
    wait::until("no status", HANG, || {
        (routed.get("httproute", ROUTE)["status"]["parents"] == json!([])).then_some(())
    });
    assert_eq!(routed.gateway.refused(), Vec::<String>::new());
}

#[test]
fn envoys_follow_inference_pools_and_routes_that_envoy_ai_gateway_makes() {
    let Some(routed) = Routed::new(Model::good("gatewayai", Major::Four)) else {
        crate::drivers::skip("route");
        return;
    };
    routed.apply(pool("llama"));
    let backend = json!({ "group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "llama" });
    routed.apply(http_route(ROUTE, &[backend]));
    for (weight, status) in [(1, 200), (0, 500), (2, 200)] {
        routed.set_weight("httproute", ROUTE, 0, weight);
        routed.until(0, status);
        assert_eq!(routed.status(), (true, true));
    }
    let delete = ["-n", &routed.model.namespace.name, "delete", "httproute", ROUTE];
    routed.model.namespace.kubectl().run(&delete);
    routed.until(0, 404);

    for object in ai_route(ROUTE, &routed.model.namespace.name) {
        routed.apply(object);
    }
    routed.until(1, 200);
    assert_eq!(routed.status(), (true, true));
    let ai = routed.get("aigatewayroute", ROUTE);
    assert_eq!(ai["status"]["conditions"][0]["type"], "Accepted");
    assert_eq!(ai["status"]["conditions"][0]["observedGeneration"], Value::Null);
    let made = routed.get("httproute", ROUTE);
    assert_eq!(made["metadata"]["ownerReferences"][0]["kind"], "AIGatewayRoute");
    routed.set_weight("aigatewayroute", ROUTE, 0, 0);
    (0..2).for_each(|replica| routed.until(replica, 500));
    assert_eq!(routed.weights("httproute", ROUTE), [(ROUTE.to_owned(), 0)]);
    // Nobody else writes the generated route.
    let before = routed.get("httproute", ROUTE)["metadata"]["generation"].as_u64();
    routed.set_weight("httproute", ROUTE, 0, 1);
    wait::until("the weight of the AIGatewayRoute", HANG, || {
        let generation = routed.get("httproute", ROUTE)["metadata"]["generation"].as_u64();
        (generation > before && routed.weights("httproute", ROUTE) == [(ROUTE.to_owned(), 0)]).then_some(())
    });
    routed.until(0, 500);
    // Another model is not there.
    routed.set_weight("aigatewayroute", ROUTE, 0, 1);
    routed.until(0, 200);
    let path = "/spec/rules/0/matches/0/headers/0/value";
    routed.replace("aigatewayroute", ROUTE, path, &json!("another-model"));
    routed.until(0, 404);
    assert_eq!(routed.gateway.refused(), Vec::<String>::new());
}
