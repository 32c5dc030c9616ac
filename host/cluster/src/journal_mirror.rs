//! A ConfigMap for each release that holds what later runs must know, so that a colleague can go on from another machine.

use serde_json::{Value, json};
use vllm_rollback_engine::failure::{Failure, FailureKind};

use crate::connect::Cluster;
use crate::wire::Resource;

/// Largest text that is kept, in bytes; etcd's limit for an object is 1.5 MB.
pub const MIRROR_LIMIT: usize = 200 * 1024;

const KEY: &str = "memory.json";

/// A text in the cluster, and the version it had when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// The text; none when nothing was kept yet.
    pub text: Option<String>,
    /// The object's version; none when it does not exist.
    pub resource_version: Option<String>,
}

/// Name of the ConfigMap, and of the Lease, of a release.
pub fn object_name(release: &str) -> String {
    format!("vllm-rollback.{release}")
}

impl Cluster {
    /// Reads what was kept for a release.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    pub async fn read_mirror(&self, release: &str) -> Result<Mirrored, Failure> {
        let name = object_name(release);
        let found = self
            .wire()
            .find(&Resource::core("configmaps").object(self.namespace(), &name))
            .await
            .map_err(|e| e.into_failure(format!("cannot read ConfigMap/{name}")))?;
        Ok(Mirrored {
            text: found.as_ref().and_then(|o| o["data"][KEY].as_str()).map(str::to_owned),
            resource_version: found
                .as_ref()
                .and_then(|o| o["metadata"]["resourceVersion"].as_str())
                .map(str::to_owned),
        })
    }

    /// Keeps a text for a release, if the object still has this version (none: does not exist). Gives the new version.
    ///
    /// # Errors
    /// `Conflict` when somebody else wrote it meanwhile: read again. `Invalid` when it is too large. `Forbidden`,
    /// `Unreachable`.
    pub async fn write_mirror(
        &self,
        release: &str,
        text: &str,
        resource_version: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let name = object_name(release);
        let what = format!("cannot write ConfigMap/{name}");
        if text.len() > MIRROR_LIMIT {
            return Err(Failure::new(FailureKind::Invalid, what).because(format!(
                "{} bytes are more than the {MIRROR_LIMIT} that are kept",
                text.len()
            )));
        }
        let object = config_map(release, self.namespace(), text, resource_version);
        let resource = Resource::core("configmaps");
        let written = match resource_version {
            None => {
                let collection = resource.collection(Some(self.namespace()));
                self.wire().create(&collection, &object).await
            }
            Some(_) => {
                let path = resource.object(self.namespace(), &name);
                self.wire().replace(&path, &object).await
            }
        };
        match written {
            Ok(object) => Ok(object["metadata"]["resourceVersion"].as_str().map(str::to_owned)),
            Err(error) if error.is_already_exists() || (resource_version.is_some() && error.is_not_found()) => {
                Err(Failure::new(FailureKind::Conflict, what).because("somebody else wrote or removed it meanwhile"))
            }
            Err(error) => Err(error.into_failure(what)),
        }
    }
}

fn config_map(release: &str, namespace: &str, text: &str, resource_version: Option<&str>) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": object_name(release),
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/managed-by": "vllm-rollback",
                "rollback.vllm/release": release,
            },
        },
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
