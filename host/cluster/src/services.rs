//! The Services that lead to a release's pods, as they live.

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::service::Service;
use vllm_rollback_objects::workload::{Workload, selects};

use crate::api::Resource;
use crate::connect::Cluster;
use crate::pods::{self, list};

/// The selector key that closes a gate; drift detection leaves it alone.
pub(crate) const GATE_KEY: &str = "rollback.vllm/gate";

/// All Services of a namespace.
#[derive(Debug)]
pub(crate) struct Services(pub(crate) Vec<Value>);

impl Cluster {
    /// Lists the Services of this namespace. A list right after a write takes up to 0.1 s (the API server first makes sure
    /// that its cache has seen the write), so callers ask for it beside other things.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    pub(crate) async fn services(&self) -> Result<Services, Failure> {
        let listed = self.list(&Resource::core("services")).await;
        let cannot = || format!("cannot list the Services of namespace {}", self.namespace());
        listed.map(Services).map_err(|e| e.into_failure(cannot()))
    }
}

impl Services {
    /// Those whose selectors, gate apart, select the pods of the manifest's serving workloads. Services that belong to
    /// somebody else are among them.
    pub(crate) fn leading_to(&self, manifest: &Manifest) -> Vec<Service> {
        let workloads = manifest.serving_workloads();
        let leads = |service: &&Value| workloads.iter().any(|workload| leads_to(service, workload));
        self.0.iter().filter(leads).map(read).collect()
    }

    /// Names of those that select pods with these labels.
    pub(crate) fn selecting(&self, labels: &Value) -> Vec<String> {
        let services = self.0.iter();
        let selecting = services.filter(|service| selects(&service["spec"]["selector"], labels));
        selecting.map(|service| pods::name(service).to_owned()).collect()
    }
}

fn leads_to(service: &Value, workload: &Workload<'_>) -> bool {
    selects(&ungated_selector(service), workload.pod_labels())
}

/// A Service's selector without the key of its gate.
pub(crate) fn ungated_selector(service: &Value) -> Value {
    let mut selector = service["spec"]["selector"].clone();
    if let Some(keys) = selector.as_object_mut() {
        keys.remove(GATE_KEY);
    }
    selector
}

fn read(service: &Value) -> Service {
    let number = |port: &Value| port["port"].as_u64().and_then(|number| u16::try_from(number).ok());
    let kind = match (service["spec"]["clusterIP"].as_str(), service["spec"]["type"].as_str()) {
        (Some("None"), _) => "headless",
        (_, kind) => kind.unwrap_or("ClusterIP"),
    };
    Service {
        kind: kind.to_owned(),
        gate: service["spec"]["selector"][GATE_KEY].as_str().map(str::to_owned),
        name: pods::name(service).to_owned(),
        namespace: pods::text(&service["metadata"]["namespace"]).to_owned(),
        ports: list(&service["spec"]["ports"]).iter().filter_map(number).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RELEASE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: llama}
spec:
  selector: {matchLabels: {app: llama}}
  template: {metadata: {labels: {app: llama, tier: gpu}}, spec: {containers: [{name: vllm}]}}
";

    fn leads(selector: Value) -> bool {
        let manifest = Manifest::parse(RELEASE, "ml").unwrap();
        leads_to(
            &json!({"spec": {"selector": selector}}),
            &manifest.serving_workloads()[0],
        )
    }

    #[test]
    fn a_closed_gate_does_not_hide_a_service() {
        assert!(leads(json!({"app": "llama"})));
        assert!(leads(json!({"app": "llama", GATE_KEY: "closed"})));
    }

    #[test]
    fn a_service_that_selects_others_or_nothing_does_not_lead_here() {
        for selector in [
            json!({"app": "other"}),
            json!({}),
            Value::Null,
            json!({GATE_KEY: "closed"}),
        ] {
            assert!(!leads(selector));
        }
    }

    #[test]
    fn the_ports_are_those_of_clients() {
        let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80, "targetPort": 8000}]}});
        assert_eq!(read(&service).ports, [80]);
        assert_eq!(read(&service).kind, "ClusterIP");
    }

    #[test]
    fn a_closed_gate_and_a_headless_service_are_told() {
        let service =
            json!({"metadata": {"name": "s"}, "spec": {"clusterIP": "None", "selector": {GATE_KEY: "closed"}}});
        let found = read(&service);
        assert_eq!(
            (found.kind.as_str(), found.gate.as_deref()),
            ("headless", Some("closed"))
        );
    }
}
