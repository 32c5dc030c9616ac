//! Two replicas of real Envoy, which an HTTPRoute leads to the release's Service. The route is not of the release.

use serde_json::json;
use vllm_rollback_harness::databases::free_port;
use vllm_rollback_harness::helm::Major;

use super::door::Door;
use super::vllm_router::answers;
use super::{Place, Trouble, owned, two_revisions};
use crate::fixture::{MODEL, Model, SERVICE};
use crate::gateway::{ROUTE, Routed, http_route, service};

/// A Service of another release.
const FOREIGN: &str = "other-vllm-deployment";

/// The gateway, and the weight of the release's backend.
pub(super) struct Gateway(Routed);

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
            self.0.gateway.urls()
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

impl Place for Gateway {
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
        Some(Self(routed))
    }

    fn model(&self) -> &Model {
        &self.0.model
    }

    fn arguments(&self) -> Vec<String> {
        arguments(ROUTE, self.0.gateway.urls())
    }

    fn state(&self) -> String {
        format!("weight {}", self.0.weights("httproute", ROUTE)[0].1)
    }

    fn set(&self, word: &str) {
        let weight = word.trim_start_matches("weight ").parse().expect("a weight");
        self.0.set_weight("httproute", ROUTE, 0, weight);
    }

    fn doors(&self) -> Vec<Door> {
        self.0.doors()
    }

    fn give_away(&self, away: bool) {
        let name = if away { FOREIGN } else { SERVICE };
        self.0
            .replace("httproute", ROUTE, "/spec/rules/0/backendRefs/0/name", &json!(name));
    }

    fn others(&self) -> Vec<String> {
        let all = self.0.weights("httproute", ROUTE).into_iter();
        all.filter(|(name, _)| name != SERVICE)
            .map(|(name, weight)| format!("{name} {weight}"))
            .collect()
    }

    // What a gateway answers with a 5xx cannot be told from its answer for a rule without weight. The API server's own
    // failures are the cases of `faults`.
    fn troubles(&self) -> Vec<Trouble> {
        let good = self.0.gateway.urls()[0].clone();
        let parents = [
            ("unclaimed", json!({ "name": "another" })),
            ("refused", json!({ "name": "models", "sectionName": "https" })),
        ];
        for (name, parent) in parents {
            let mut route = http_route(name, &[service(SERVICE, 1)]);
            route["spec"]["parentRefs"] = json!([parent]);
            self.0.apply(route);
        }
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
                "unclaimed",
                Vec::new(),
            ),
            self.trouble(
                "a route that its Gateway refuses",
                "NoMatchingParent",
                "refused",
                Vec::new(),
            ),
            self.trouble("a route that is not there", "nothing", "nothing", Vec::new()),
        ]
    }
}
