//! A ConfigMap for each release that holds what later runs must know, so that a colleague can go on from another machine.

use async_trait::async_trait;
use serde_json::{Value, json};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::{SharedStore, Versioned};

use crate::api::Resource;
use crate::connect::Cluster;

/// Largest text that is kept, in bytes; etcd's limit for an object is 1.5 MB.
const MIRROR_LIMIT: usize = 200 * 1024;

const KEY: &str = "memory.json";

/// Name of the ConfigMap, and of the Lease, of a release.
pub(crate) fn object_name(release: &str) -> String {
    format!("vllm-rollback.{release}")
}

/// Metadata of the ConfigMap, and of the Lease, of a release.
pub(crate) fn metadata(release: &str, namespace: &str) -> Value {
    json!({
        "name": object_name(release),
        "namespace": namespace,
        "labels": {
            "app.kubernetes.io/managed-by": "vllm-rollback",
            "rollback.vllm/release": release,
        },
    })
}

/// The ConfigMap of a release.
#[derive(Clone)]
pub struct SharedConfigMap {
    cluster: Cluster,
    release: String,
}

impl SharedConfigMap {
    /// That of this release in the cluster's namespace.
    pub fn new(cluster: Cluster, release: impl Into<String>) -> Self {
        Self {
            cluster,
            release: release.into(),
        }
    }
}

#[async_trait]
impl SharedStore for SharedConfigMap {
    async fn read(&self) -> Result<Versioned, Failure> {
        let name = object_name(&self.release);
        let path = Resource::core("configmaps").object(self.cluster.namespace(), &name);
        let found = self.cluster.api().find(&path).await;
        let found = found.map_err(|e| e.into_failure(format!("cannot read ConfigMap/{name}")))?;
        Ok(Versioned {
            text: found.as_ref().and_then(|o| o["data"][KEY].as_str()).map(str::to_owned),
            version: found.as_ref().and_then(version),
        })
    }

    async fn write(&self, text: &str, over: Option<&str>) -> Result<Option<String>, Failure> {
        let name = object_name(&self.release);
        let what = format!("cannot write ConfigMap/{name}");
        if text.len() > MIRROR_LIMIT {
            let why = format!("{} bytes are more than the {MIRROR_LIMIT} that are kept", text.len());
            return Err(Failure::invalid(what).because(why));
        }
        let (api, namespace) = (self.cluster.api(), self.cluster.namespace());
        let object = config_map(&self.release, namespace, text, over);
        let resource = Resource::core("configmaps");
        let written = match over {
            None => api.create(&resource.collection(Some(namespace)), &object).await,
            Some(_) => api.replace(&resource.object(namespace, &name), &object).await,
        };
        match written {
            Ok(object) => Ok(version(&object)),
            Err(error) if error.is_already_exists() || (over.is_some() && error.is_not_found()) => {
                Err(Failure::conflict(what).because("somebody else wrote or removed it meanwhile"))
            }
            Err(error) => Err(error.into_failure(what)),
        }
    }

    fn shown_by(&self) -> String {
        let name = object_name(&self.release);
        format!("kubectl get configmap {name} -n {} -o yaml", self.cluster.namespace())
    }
}

fn version(object: &Value) -> Option<String> {
    object["metadata"]["resourceVersion"].as_str().map(str::to_owned)
}

fn config_map(release: &str, namespace: &str, text: &str, resource_version: Option<&str>) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(release, namespace),
        "data": { KEY: text },
    });
    if let Some(version) = resource_version {
        object["metadata"]["resourceVersion"] = version.into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_carries_the_version_it_was_read_at() {
        assert_eq!(
            config_map("r", "ml", "{}", Some("9"))["metadata"]["resourceVersion"],
            "9"
        );
        let created = config_map("r", "ml", "{}", None);
        assert!(created["metadata"].get("resourceVersion").is_none());
        assert_eq!(created["metadata"]["name"], "vllm-rollback.r");
    }
}
