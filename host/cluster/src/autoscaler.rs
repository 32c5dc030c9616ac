//! HorizontalPodAutoscalers and what they scale.

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_objects::identity::Object;

use crate::api::Resource;
use crate::connect::Cluster;
use crate::pods;

/// A workload whose replicas an autoscaler sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scaled {
    /// Name of the autoscaler.
    pub(crate) by: String,
    kind: String,
    name: String,
    pub(crate) min: u64,
    /// KEDA's ScaledObject, which keeps writing the autoscaler.
    keda: Option<String>,
}

impl Scaled {
    pub(crate) fn is(&self, object: &Object) -> bool {
        self.kind == object.kind && self.name == object.name
    }

    /// The command that makes it keep so many replicas, whatever the load.
    pub(crate) fn keep(&self, replicas: u64) -> String {
        let (object, field) = match &self.keda {
            None => (format!("hpa {}", self.by), "minReplicas"),
            Some(name) => (format!("scaledobject {name} --type=merge"), "minReplicaCount"),
        };
        format!("keep them: kubectl patch {object} -p '{{\"spec\":{{\"{field}\":{replicas}}}}}'")
    }

    #[cfg(test)]
    pub(crate) fn new(by: &str, min: u64, keda: Option<&str>) -> Self {
        Self {
            by: by.to_owned(),
            kind: "Deployment".to_owned(),
            name: "d".to_owned(),
            min,
            keda: keda.map(str::to_owned),
        }
    }
}

/// All autoscalers of the namespace.
pub(crate) async fn scaled(cluster: &Cluster) -> Result<Vec<Scaled>, Failure> {
    let autoscalers = Resource::new("autoscaling", "v2", "horizontalpodautoscalers");
    let listed = cluster.list(&autoscalers).await;
    let listed = listed.map_err(|e| e.into_failure("cannot list HorizontalPodAutoscalers"))?;
    Ok(listed.iter().filter_map(read).collect())
}

fn read(autoscaler: &Value) -> Option<Scaled> {
    let target = &autoscaler["spec"]["scaleTargetRef"];
    let mut owners = pods::list(&autoscaler["metadata"]["ownerReferences"]).iter();
    let keda = owners.find(|owner| owner["kind"] == "ScaledObject");
    Some(Scaled {
        keda: keda.and_then(|owner| owner["name"].as_str()).map(str::to_owned),
        by: pods::name(autoscaler).to_owned(),
        kind: target["kind"].as_str()?.to_owned(),
        name: target["name"].as_str()?.to_owned(),
        min: autoscaler["spec"]["minReplicas"].as_u64().unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_autoscaler_names_what_it_scales() {
        let autoscaler = json!({"metadata": {"name": "h"}, "spec": {"minReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}});
        let scaled = read(&autoscaler).unwrap();
        assert_eq!((scaled.by.as_str(), scaled.name.as_str(), scaled.min), ("h", "d", 2));
    }
}
