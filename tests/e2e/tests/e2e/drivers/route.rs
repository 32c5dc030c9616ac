//! Two replicas of real Envoy, which an HTTPRoute leads to the release's Service. The route is not of the release.

use std::cell::RefCell;

use serde_json::json;
use vllm_rollback_harness::databases::free_port;
use vllm_rollback_harness::gateway::{CONTROLLER, GATEWAY};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::proxy::ApiProxy;
use vllm_rollback_harness::tool::Tool;

use super::door::Door;
use super::line::Line;
use super::service::proxy;
use super::vllm_router::answers;
use super::{TrafficBackend, Trouble, owned, two_revisions};
use crate::fixture::{MODEL, Model, SERVICE};
use crate::gateway::{ROUTE, Routed, http_route, service};

/// A Service of another release.
const FOREIGN: &str = "other-vllm-deployment";

/// The gateway, and the weight of the release's backend.
pub(super) struct Gateway {
    routed: Routed,
    /// Routes here lead to the release, and nobody routes by them.
    dead: Namespace<'static>,
    /// On the way to the API server.
    proxy: RefCell<Option<ApiProxy>>,
}

/// What the tool is told: this route, and these replicas.
pub(super) fn arguments(route: &str, replicas: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut words = owned(&["--registry", "route", "--route", route, "--model", MODEL]);
    for url in replicas {
        words.extend(["--router-replica".to_owned(), url]);
    }
    words
}

impl Gateway {
    fn trouble(&self, what: &'static str, says: &'static str, route: &str, replicas: Vec<String>) -> Trouble {
        let urls = if replicas.is_empty() {
            self.routed.gateway.urls()
        } else {
            replicas
        };
        Trouble {
            what,
            says,
            arguments: arguments(route, urls),
            env: Vec::new(),
        }
    }
}

impl TrafficBackend for Gateway {
    const DRIVER: &'static str = "route";
    const IN: &'static str = "weight 1";
    const OUT: &'static str = "weight 0";
    const OTHERS: &'static [&'static str] = &["weight 0"];

    fn start(hint: &str, major: Major) -> Option<Self> {
        let routed = Routed::new(two_revisions(hint, major))?;
        routed.apply(http_route(ROUTE, &[service(SERVICE, 1)]));
        routed.apply(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": FOREIGN, "annotations": { "meta.helm.sh/release-name": "other" } },
            "spec": { "selector": { "app.kubernetes.io/instance": "other" }, "ports": [{ "port": 8000 }] },
        }));
        let dead = Namespace::create(routed.model.namespace.testbed, "routes");
        Some(Self {
            routed,
            dead,
            proxy: RefCell::default(),
        })
    }

    fn model(&self) -> &Model {
        &self.routed.model
    }

    fn arguments(&self) -> Vec<String> {
        arguments(ROUTE, self.routed.gateway.urls())
    }

    fn state(&self) -> String {
        format!("weight {}", self.routed.weights("httproute", ROUTE)[0].1)
    }

    fn set(&self, word: &str) {
        let weight = word.trim_start_matches("weight ").parse().expect("a weight");
        self.routed.set_weight("httproute", ROUTE, 0, weight);
    }

    fn doors(&self) -> Vec<Door> {
        self.routed.doors()
    }

    fn give_away(&self, away: bool) {
        let name = if away { FOREIGN } else { SERVICE };
        self.routed
            .replace("httproute", ROUTE, "/spec/rules/0/backendRefs/0/name", &json!(name));
    }

    fn others(&self) -> Vec<String> {
        let all = self.routed.weights("httproute", ROUTE).into_iter();
        all.filter(|(name, _)| name != SERVICE)
            .map(|(name, weight)| format!("{name} {weight}"))
            .collect()
    }

    // What a gateway answers with a 5xx cannot be told from its answer for a rule without weight. The API server's own
    // failures are the cases of `faults`.
    fn troubles(&self) -> Vec<Trouble> {
        let good = self.routed.gateway.urls()[0].clone();
        for name in ["unclaimed", "refused"] {
            let mut backend = service(SERVICE, 1);
            backend["namespace"] = json!(self.routed.model.namespace.name);
            let mut route = http_route(name, &[backend]);
            route["metadata"]["namespace"] = json!(self.dead.name);
            self.dead.kubectl().apply(&route.to_string());
        }
        let condition = |kind: &str, status: &str, reason: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": "", "observedGeneration": 1,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let conditions = [
            condition("Accepted", "False", "NoMatchingParent"),
            condition("ResolvedRefs", "True", "ResolvedRefs"),
        ];
        let parent =
            json!({ "parentRef": { "name": GATEWAY }, "controllerName": CONTROLLER, "conditions": conditions });
        let status = json!({ "status": { "parents": [parent] } }).to_string();
        let words = [
            "patch",
            "httproute",
            "refused",
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ];
        self.dead
            .kubectl()
            .run(&[&["-n", &self.dead.name][..], &words].concat());
        let (unclaimed, refused) = (
            format!("{}/unclaimed", self.dead.name),
            format!("{}/refused", self.dead.name),
        );
        let down = format!("http://127.0.0.1:{}", free_port());
        vec![
            self.trouble(
                "a replica that is down",
                "gives no answer",
                ROUTE,
                vec![good.clone(), down],
            ),
            self.trouble(
                "a replica that says nothing",
                "gives no answer",
                ROUTE,
                vec![good, answers(None)],
            ),
            self.trouble(
                "a route that no Gateway has taken",
                "no Gateway",
                &unclaimed,
                Vec::new(),
            ),
            self.trouble(
                "a route that its Gateway refuses",
                "NoMatchingParent",
                &refused,
                Vec::new(),
            ),
            self.trouble(
                "a route that is not there",
                "cannot read HTTPRoute",
                "nothing",
                Vec::new(),
            ),
        ]
    }

    fn line(&self, line: Line) {
        let proxy = proxy(self.routed.model.namespace.testbed, line, "/httproutes/");
        *self.proxy.borrow_mut() = proxy;
    }

    fn tool(&self) -> Tool {
        let tool = self.model().tool();
        match self.proxy.borrow().as_ref() {
            Some(proxy) => tool.kubeconfig(proxy.kubeconfig()),
            None => tool,
        }
    }
}
