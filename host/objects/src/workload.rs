//! Objects that run pods, and the Services that lead to them.

use serde_json::Value;

use crate::identity::Object;

/// Kinds whose rollout can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadKind {
    /// Replaces pods by way of ReplicaSets.
    Deployment,
    /// Replaces pods under the same names.
    StatefulSet,
    /// A pod for each node.
    DaemonSet,
}

impl WorkloadKind {
    fn from_object(object: &Object) -> Option<Self> {
        if object.api_version != "apps/v1" {
            return None;
        }
        match object.kind.as_str() {
            "Deployment" => Some(Self::Deployment),
            "StatefulSet" => Some(Self::StatefulSet),
            "DaemonSet" => Some(Self::DaemonSet),
            _ => None,
        }
    }

    /// Returns the plural in the API, in the group `apps`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
        }
    }
}

/// An object of the manifest that runs pods.
#[derive(Debug, Clone)]
pub struct Workload<'a> {
    /// The object.
    pub object: &'a Object,
    /// Kind of the workload.
    pub kind: WorkloadKind,
}

impl<'a> Workload<'a> {
    pub(crate) fn read(object: &'a Object) -> Option<Self> {
        let kind = WorkloadKind::from_object(object)?;
        Some(Self { object, kind })
    }

    /// The spec of its pod template.
    pub fn pod_spec(&self) -> &'a Value {
        &self.object.json["spec"]["template"]["spec"]
    }

    /// The containers of its pod template, without those that only begin.
    pub fn containers(&self) -> impl Iterator<Item = &'a Value> {
        self.pod_spec()["containers"].as_array().into_iter().flatten()
    }

    /// The labels of its pod template.
    pub fn pod_labels(&self) -> &'a Value {
        &self.object.json["spec"]["template"]["metadata"]["labels"]
    }

    /// Returns the selector as the API's `labelSelector` parameter.
    pub fn selector(&self) -> String {
        label_selector(&self.object.json["spec"]["selector"])
    }

    /// Pods it asks for; a Deployment that does not say gets 1. A DaemonSet's number depends on the nodes.
    pub fn replicas(&self) -> u64 {
        self.object.json["spec"]["replicas"].as_u64().unwrap_or(1)
    }

    pub(crate) fn first_container_port(&self) -> Option<u16> {
        self.containers()
            .flat_map(|c| c["ports"].as_array().into_iter().flatten())
            .find_map(port_number)
    }
}

fn port_number(port: &Value) -> Option<u16> {
    u16::try_from(port["containerPort"].as_u64()?).ok()
}

/// A `LabelSelector` as a query parameter.
pub fn label_selector(selector: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        parts.push(format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for rule in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = rule["key"].as_str().unwrap_or_default();
        let values: Vec<&str> = rule["values"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let values = values.join(",");
        parts.push(match rule["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

/// Every label of the selector is among the labels; an empty selector selects nothing.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let Some(selector) = selector.as_object() else {
        return false;
    };
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A Service of the manifest.
#[derive(Debug, Clone)]
pub struct Service<'a> {
    /// The object.
    pub object: &'a Object,
}

impl<'a> Service<'a> {
    pub(crate) fn read(object: &'a Object) -> Option<Self> {
        (object.kind == "Service" && object.api_version == "v1").then_some(Self { object })
    }

    /// Selects the pods of a workload.
    pub fn matches(&self, workload: &Workload<'_>) -> bool {
        self.object.namespace == workload.object.namespace
            && selects(&self.object.json["spec"]["selector"], workload.pod_labels())
    }

    /// The container port that its first TCP port leads to.
    pub(crate) fn target_port(&self, workload: &Workload<'_>) -> Option<u16> {
        let ports = self.object.json["spec"]["ports"].as_array()?;
        let port = ports
            .iter()
            .find(|p| p["protocol"].as_str().unwrap_or("TCP") == "TCP")?;
        match &port["targetPort"] {
            Value::Number(number) => u16::try_from(number.as_u64()?).ok(),
            Value::String(name) => match name.parse() {
                Ok(number) => Some(number),
                Err(_) => workload
                    .containers()
                    .flat_map(|c| c["ports"].as_array().into_iter().flatten())
                    .find(|p| p["name"] == name.as_str())
                    .and_then(port_number),
            },
            _ => u16::try_from(port["port"].as_u64()?).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;
    use serde_json::json;

    fn manifest(target_port: &str) -> Manifest {
        let text = format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: llama}}
spec:
  selector: {{matchLabels: {{app: llama}}}}
  template:
    metadata: {{labels: {{app: llama, tier: gpu}}}}
    spec: {{containers: [{{name: vllm, ports: [{{name: metrics, containerPort: 9090}}, {{name: http, containerPort: 8080}}]}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: cache}}
spec:
  selector: {{matchLabels: {{app: cache}}}}
  template: {{metadata: {{labels: {{app: cache}}}}, spec: {{containers: [{{name: redis}}]}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: llama}}
spec: {{selector: {{app: llama}}, ports: [{{port: 80, targetPort: {target_port}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: elsewhere}}
spec: {{selector: {{app: other}}, ports: [{{port: 80}}]}}
"
        );
        Manifest::parse(&text, "ml").unwrap()
    }

    #[test]
    fn the_serving_workload_is_the_one_that_a_service_selects() {
        let manifest = manifest("http");
        let serving = manifest.serving_workloads();
        assert_eq!(serving.len(), 1);
        assert_eq!(serving[0].object.name, "llama");
        assert_eq!(manifest.services().len(), 1);
    }

    #[test]
    fn a_named_target_port_leads_to_the_containers_number() {
        for (target, port) in [
            ("http", 8080),
            ("9000", 9000),
            ("'9001'", 9001),
            ("absent", 9090),
            ("null", 80),
        ] {
            let manifest = manifest(target);
            assert_eq!(
                manifest.serving_port(&manifest.serving_workloads()[0]),
                port,
                "{target}"
            );
        }
    }

    #[test]
    fn a_workload_without_any_port_serves_on_vllms_default() {
        let manifest = manifest("http");
        let cache = &manifest.workloads()[1];
        assert_eq!(manifest.serving_port(cache), 8000);
    }

    #[test]
    fn a_selector_becomes_a_query() {
        let selector = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["d", "e"]}, {"key": "f", "operator": "DoesNotExist"},
            {"key": "g", "operator": "NotIn", "values": ["h"]}, {"key": "i", "operator": "Exists"}]});
        assert_eq!(label_selector(&selector), "a=b,c in (d,e),!f,g notin (h),i");
        assert_eq!(label_selector(&Value::Null), "");
    }

    #[test]
    fn what_runs_pods_is_known_by_version_and_kind() {
        let read = |api_version: &str, kind: &str| {
            let json = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": {
                "selector": {"matchLabels": {"app": "x"}}, "replicas": 3}});
            let object = Object::read(json, "ml").unwrap();
            let workload = Workload::read(&object)?;
            Some((workload.kind.plural(), workload.selector(), workload.replicas()))
        };
        for (kind, plural) in [
            ("Deployment", "deployments"),
            ("StatefulSet", "statefulsets"),
            ("DaemonSet", "daemonsets"),
        ] {
            assert_eq!(read("apps/v1", kind), Some((plural, "app=x".to_owned(), 3)));
            assert_eq!(read("example.com/v1", kind), None);
        }
        assert_eq!(read("apps/v1", "ReplicaSet"), None);
        let silent = manifest("http");
        assert_eq!(silent.workloads()[0].replicas(), 1);
    }

    #[test]
    fn a_service_leads_to_pods_of_its_namespace_by_its_first_tcp_port() {
        let manifest = manifest("http");
        let workloads = manifest.workloads();
        let service = |api_version: &str, namespace: &str| {
            let json = json!({"apiVersion": api_version, "kind": "Service", "metadata": {"name": "s", "namespace": namespace},
                "spec": {"selector": {"app": "llama"}, "ports": [{"port": 53, "protocol": "UDP"}, {"port": 81}]}});
            Object::read(json, "ml").unwrap()
        };
        let own = service("v1", "ml");
        let own = Service::read(&own).unwrap();
        assert!(own.matches(&workloads[0]) && !own.matches(&workloads[1]));
        assert_eq!(own.target_port(&workloads[0]), Some(81));
        let other = service("v1", "other");
        assert!(!Service::read(&other).unwrap().matches(&workloads[0]));
        // Knative's Service is none that selects pods.
        assert!(Service::read(&service("serving.knative.dev/v1", "ml")).is_none());
    }

    #[test]
    fn a_workload_serves_where_its_container_says_when_no_service_does() {
        let text = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: llama}
spec: {template: {spec: {containers: [{name: side}, {name: vllm, ports: [{containerPort: 70000}, {containerPort: 9000}]}]}}}
";
        let manifest = Manifest::parse(text, "ml").unwrap();
        // Without a Service all of them serve.
        let serving = manifest.serving_workloads();
        assert_eq!((serving.len(), manifest.serving_port(&serving[0])), (1, 9000));
        assert!(manifest.creates("StatefulSet", "llama"));
        assert!(!manifest.creates("StatefulSet", "x") && !manifest.creates("Deployment", "llama"));
    }

    #[test]
    fn an_empty_selector_selects_nothing() {
        assert!(!selects(&json!({}), &json!({"a": "b"})));
        assert!(!selects(&Value::Null, &json!({"a": "b"})));
    }
}
