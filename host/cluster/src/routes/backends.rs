//! Where a route's backends lead.

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::ReleaseRecord;
use vllm_rollback_objects::route::{Backend, LeadsTo, RouteKind};
use vllm_rollback_objects::workload::selects;

use crate::connect::Cluster;
use crate::pods::{list, text};

/// API groups of the pool: since it is stable, and before.
const POOL_GROUPS: [&str; 2] = ["inference.networking.k8s.io", "inference.networking.x-k8s.io"];

/// Follows references.
pub(super) struct Resolver<'a> {
    cluster: &'a Cluster,
    /// Labels of the release's serving pods, and their namespace.
    pods: Vec<(Value, String)>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(cluster: &'a Cluster, record: &ReleaseRecord) -> Result<Self, Failure> {
        let manifest = record.objects()?;
        let workloads = manifest.serving_workloads();
        let pods = workloads
            .iter()
            .map(|workload| (workload.pod_labels().clone(), workload.object.namespace.clone()));
        Ok(Self {
            cluster,
            pods: pods.collect(),
        })
    }

    /// The backends of all rules of a route in this namespace.
    pub(super) async fn backends(
        &self,
        kind: RouteKind,
        namespace: &str,
        route: &Value,
    ) -> Result<Vec<Backend>, Failure> {
        let mut found = Vec::new();
        for (rule_index, rule) in list(&route["spec"]["rules"]).iter().enumerate() {
            for (index, reference) in list(&rule["backendRefs"]).iter().enumerate() {
                let reference = Reference::read(kind, namespace, reference);
                found.push(Backend {
                    rule: rule_index,
                    index,
                    name: reference.label(),
                    weight: reference.weight,
                    leads_to: self.leads_to(&reference).await?,
                });
            }
        }
        Ok(found)
    }

    /// Lists the targets to which the mirror filters of a route send copies of requests.
    pub(super) async fn mirrors(&self, namespace: &str, route: &Value) -> Result<Vec<LeadsTo>, Failure> {
        let mut found = Vec::new();
        for rule in list(&route["spec"]["rules"]) {
            let of_backends = list(&rule["backendRefs"])
                .iter()
                .flat_map(|backend| list(&backend["filters"]));
            for filter in list(&rule["filters"]).iter().chain(of_backends) {
                let mirrored = &filter["requestMirror"]["backendRef"];
                if !mirrored.is_null() {
                    let reference = Reference::read(RouteKind::Http, namespace, mirrored);
                    found.push(self.leads_to(&reference).await?);
                }
            }
        }
        Ok(found)
    }

    async fn leads_to(&self, reference: &Reference) -> Result<LeadsTo, Failure> {
        match (reference.group.as_str(), reference.kind.as_str()) {
            ("", "Service") => Ok(reference.service()),
            (group, "InferencePool") if POOL_GROUPS.contains(&group) => self.pool(reference).await,
            ("aigateway.envoyproxy.io", "AIServiceBackend") => {
                let backend = self.read(reference).await?;
                let inner = &backend["spec"]["backendRef"];
                let inner = Reference::read(RouteKind::Http, &reference.namespace, inner);
                match inner.kind.as_str() {
                    "Service" => Ok(inner.service()),
                    "Backend" => self.hosts(&inner).await,
                    _ => Ok(LeadsTo::Elsewhere),
                }
            }
            ("gateway.envoyproxy.io", "Backend") => self.hosts(reference).await,
            _ => Ok(LeadsTo::Elsewhere),
        }
    }

    /// A pool selects the release's pods (Gateway API Inference Extension: `spec.selector.matchLabels`; before it was
    /// stable, the labels were in `spec.selector` itself).
    async fn pool(&self, reference: &Reference) -> Result<LeadsTo, Failure> {
        let pool = self.read(reference).await?;
        let selector = &pool["spec"]["selector"];
        let labels = if selector["matchLabels"].is_object() {
            &selector["matchLabels"]
        } else {
            selector
        };
        let is_own = self
            .pods
            .iter()
            .any(|(pod, namespace)| *namespace == reference.namespace && selects(labels, pod));
        Ok(if is_own { LeadsTo::OwnPods } else { LeadsTo::Elsewhere })
    }

    /// An Envoy Gateway Backend: `spec.endpoints[].fqdn` or `.ip`.
    async fn hosts(&self, reference: &Reference) -> Result<LeadsTo, Failure> {
        let backend = self.read(reference).await?;
        let host = |endpoint: &Value| {
            let place = if endpoint["fqdn"].is_object() {
                (&endpoint["fqdn"]["hostname"], &endpoint["fqdn"]["port"])
            } else {
                (&endpoint["ip"]["address"], &endpoint["ip"]["port"])
            };
            Some(format!("{}:{}", place.0.as_str()?, place.1.as_u64()?))
        };
        Ok(LeadsTo::Hosts(
            list(&backend["spec"]["endpoints"]).iter().filter_map(host).collect(),
        ))
    }

    /// The object of a reference; null when it, or its kind, does not exist: a gateway sends nothing there.
    async fn read(&self, reference: &Reference) -> Result<Value, Failure> {
        let Reference {
            group,
            kind,
            namespace,
            name,
            ..
        } = reference;
        let what = |e: crate::api::ApiError| e.into_failure(format!("cannot read {kind} {namespace}/{name}"));
        match self.cluster.preferred(group, kind).await.map_err(what)? {
            None => Ok(Value::Null),
            Some(resource) => {
                let found = self.cluster.api().find(&resource.object(namespace, name)).await;
                found.map(Option::unwrap_or_default).map_err(what)
            }
        }
    }
}

/// A backend as it is written, with what it leaves out.
struct Reference {
    group: String,
    kind: String,
    namespace: String,
    name: String,
    port: Option<u64>,
    weight: Option<u32>,
}

impl Reference {
    fn read(route: RouteKind, namespace: &str, reference: &Value) -> Self {
        // An AIGatewayRoute names AIServiceBackends where it names no kind.
        let (group, kind) = match (route, reference["kind"].as_str()) {
            (RouteKind::AiGateway, None) => ("aigateway.envoyproxy.io", "AIServiceBackend"),
            (_, kind) => (text(&reference["group"]), kind.unwrap_or("Service")),
        };
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: reference["namespace"].as_str().unwrap_or(namespace).to_owned(),
            name: text(&reference["name"]).to_owned(),
            port: reference["port"].as_u64(),
            weight: reference["weight"].as_u64().and_then(|n| u32::try_from(n).ok()),
        }
    }

    fn label(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{} {}/{}{port}", self.kind, self.namespace, self.name)
    }

    fn service(&self) -> LeadsTo {
        LeadsTo::Service {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reference_says_what_it_leaves_out() {
        let plain = Reference::read(RouteKind::Http, "ml", &json!({"name": "llama", "port": 8000}));
        assert_eq!(plain.label(), "Service ml/llama:8000");
        assert_eq!((plain.group.as_str(), plain.weight), ("", None));
        let far = Reference::read(
            RouteKind::Http,
            "ml",
            &json!({"name": "x", "namespace": "other", "weight": 7}),
        );
        assert_eq!((far.label().as_str(), far.weight), ("Service other/x", Some(7)));
        let ai = Reference::read(RouteKind::AiGateway, "ml", &json!({"name": "b"}));
        assert_eq!(ai.label(), "AIServiceBackend ml/b");
    }
}
