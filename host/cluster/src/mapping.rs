//! Where the objects of a kind are found in the API: asked once for each group and version.

use std::collections::HashMap;

use serde_json::Value;
use tokio::sync::Mutex;
use vllm_rollback_objects::identity::Object;
use vllm_rollback_objects::workload::{Workload, WorkloadKind};

use crate::api::{ApiClient, ApiError, Resource, escape};
use crate::pods::list;

/// The resource of a kind whose rollout can be watched.
pub(crate) fn workloads(kind: WorkloadKind) -> Resource {
    Resource::apps(kind.plural())
}

/// Returns the API path of a workload.
pub(crate) fn path(workload: &Workload<'_>) -> String {
    workloads(workload.kind).object(&workload.object.namespace, &workload.object.name)
}

/// Kinds to resources, remembered.
pub(crate) struct Mapper {
    api: ApiClient,
    /// By `apiVersion`: kinds that it serves. None: the group or version is not served.
    known: Mutex<HashMap<String, Option<HashMap<String, Resource>>>>,
}

impl Mapper {
    pub(crate) fn new(api: ApiClient) -> Self {
        Self {
            api,
            known: Mutex::default(),
        }
    }

    /// The resource of an object's kind; none when the API does not serve it, as with an absent CRD or a removed version.
    pub(crate) async fn resource(&self, api_version: &str, kind: &str) -> Result<Option<Resource>, ApiError> {
        if let Some(resource) = well_known(api_version, kind) {
            return Ok(Some(resource));
        }
        let mut known = self.known.lock().await;
        if let Some(kinds) = known.get(api_version) {
            return Ok(kinds.as_ref().and_then(|k| k.get(kind)).cloned());
        }
        let path = match api_version.split_once('/') {
            Some((group, version)) => format!("/apis/{}/{}", escape(group), escape(version)),
            None => format!("/api/{}", escape(api_version)),
        };
        let kinds = self.api.find(&path).await?.map(|list| kinds(api_version, &list));
        let found = kinds.as_ref().and_then(|k| k.get(kind)).cloned();
        known.insert(api_version.to_owned(), kinds);
        Ok(found)
    }

    /// The live object, or none when it or its kind does not exist.
    pub(crate) async fn live(&self, object: &Object) -> Result<Option<Value>, ApiError> {
        match self.resource(&object.api_version, &object.kind).await? {
            None => Ok(None),
            Some(resource) => self.api.find(&resource.object(&object.namespace, &object.name)).await,
        }
    }
}

/// Maps the kinds that nearly every chart holds, without asking the API server.
fn well_known(api_version: &str, kind: &str) -> Option<Resource> {
    Some(match (api_version, kind) {
        ("apps/v1", "Deployment") => Resource::apps("deployments"),
        ("apps/v1", "StatefulSet") => Resource::apps("statefulsets"),
        ("apps/v1", "DaemonSet") => Resource::apps("daemonsets"),
        ("v1", "Service") => Resource::core("services"),
        ("v1", "ConfigMap") => Resource::core("configmaps"),
        ("v1", "Secret") => Resource::core("secrets"),
        ("v1", "ServiceAccount") => Resource::core("serviceaccounts"),
        ("v1", "PersistentVolumeClaim") => Resource::core("persistentvolumeclaims"),
        _ => return None,
    })
}

fn kinds(api_version: &str, served: &Value) -> HashMap<String, Resource> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    list(&served["resources"])
        .iter()
        .filter_map(|resource| {
            let plural = resource["name"].as_str().filter(|name| !name.contains('/'))?;
            let kind = resource["kind"].as_str()?;
            let resource = Resource {
                namespaced: resource["namespaced"].as_bool().unwrap_or(true),
                ..Resource::new(group, version, plural)
            };
            Some((kind.to_owned(), resource))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn discovery_gives_the_plural_and_skips_subresources() {
        let list = json!({"resources": [
            {"name": "clusterroles", "kind": "ClusterRole", "namespaced": false},
            {"name": "roles", "kind": "Role", "namespaced": true},
            {"name": "roles/status", "kind": "Role", "namespaced": true}]});
        let kinds = kinds("rbac.authorization.k8s.io/v1", &list);
        assert_eq!(
            kinds["ClusterRole"].object("ml", "x"),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/x"
        );
        assert_eq!(
            kinds["Role"].object("ml", "x"),
            "/apis/rbac.authorization.k8s.io/v1/namespaces/ml/roles/x"
        );
    }
}
