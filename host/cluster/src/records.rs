//! Helm's release records as they lie in the cluster: found by labels alone, read one at a time.
//!
//! Helm's Secret and ConfigMap drivers label each record with `owner=helm`, `name`, `version`, `status` (helm v4.3
//! `pkg/storage/driver/secrets.go`). A payload can be 1 MB, so lists ask for metadata only.

use async_trait::async_trait;
use base64::Engine;
use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::RecordSource;
use vllm_rollback_objects::record::RecordHeader;

use crate::api::Resource;
use crate::connect::Cluster;

/// Kind of object in which Helm keeps its records (`HELM_DRIVER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordStore {
    /// Secrets of type `helm.sh/release.v1`: the default.
    Secrets,
    /// ConfigMaps.
    ConfigMaps,
}

/// The records of one release.
#[derive(Clone)]
pub struct ReleaseRecords {
    cluster: Cluster,
    store: RecordStore,
    release: String,
}

impl ReleaseRecords {
    /// Records of this release in the cluster's namespace.
    pub fn new(cluster: Cluster, store: RecordStore, release: impl Into<String>) -> Self {
        Self {
            cluster,
            store,
            release: release.into(),
        }
    }

    async fn found(&self, namespace: Option<&str>) -> Result<Vec<(String, RecordHeader)>, Failure> {
        let selector = format!("owner=helm,name={}", self.release);
        let mut query = vec![("labelSelector", selector.as_str())];
        if self.store == RecordStore::Secrets {
            query.push(("fieldSelector", "type=helm.sh/release.v1"));
        }
        let path = self.store.resource().collection(namespace);
        let place = namespace.map_or_else(|| "any namespace".to_owned(), |n| format!("namespace {n}"));
        let listed = self.cluster.api().list_metadata(&path, &query).await;
        let listed = listed.map_err(|e| e.into_failure(format!("cannot list release records in {place}")))?;
        Ok(listed.items.iter().filter_map(header).collect())
    }
}

#[async_trait]
impl RecordSource for ReleaseRecords {
    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    async fn list(&self) -> Result<Vec<RecordHeader>, Failure> {
        let found = self.found(Some(self.cluster.namespace())).await?;
        Ok(found.into_iter().map(|(_, header)| header).collect())
    }

    async fn read(&self, object: &str) -> Result<Vec<u8>, Failure> {
        let (namespace, kind) = (self.cluster.namespace(), self.kind());
        let path = self.store.resource().object(namespace, object);
        let read = self.cluster.api().get(&path).await;
        let found = read.map_err(|e| e.into_failure(format!("cannot read the release record {kind}/{object}")))?;
        payload(self.store, &found).ok_or_else(|| {
            Failure::invalid(format!("the release record {kind}/{object} holds no payload"))
                .because("its data has no readable key \"release\"")
                .next(format!(
                    "kubectl get {} {object} -n {namespace} -o yaml",
                    kind.to_lowercase()
                ))
        })
    }

    async fn find_elsewhere(&self) -> Vec<String> {
        let found = self.found(None).await.unwrap_or_default().into_iter();
        let mut namespaces: Vec<String> = found.map(|(namespace, _)| namespace).collect();
        namespaces.retain(|namespace| namespace != self.cluster.namespace());
        namespaces.sort();
        namespaces.dedup();
        namespaces
    }
}

impl RecordStore {
    /// Reads `HELM_DRIVER`; none for a driver whose records are not in the cluster (`sql`, `memory`).
    pub fn from_driver(word: &str) -> Option<Self> {
        match word {
            "" | "secret" | "secrets" => Some(Self::Secrets),
            "configmap" | "configmaps" => Some(Self::ConfigMaps),
            _ => None,
        }
    }

    fn resource(self) -> Resource {
        Resource::core(match self {
            Self::Secrets => "secrets",
            Self::ConfigMaps => "configmaps",
        })
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Secrets => "Secret",
            Self::ConfigMaps => "ConfigMap",
        }
    }
}

fn header(object: &Value) -> Option<(String, RecordHeader)> {
    let metadata = &object["metadata"];
    let labels = metadata["labels"].as_object().into_iter().flatten();
    let record = RecordHeader {
        object: metadata["name"].as_str()?.to_owned(),
        labels: labels
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    };
    Some((metadata["namespace"].as_str()?.to_owned(), record))
}

fn payload(store: RecordStore, object: &Value) -> Option<Vec<u8>> {
    let text = object["data"]["release"].as_str()?;
    match store {
        RecordStore::Secrets => base64::engine::general_purpose::STANDARD.decode(text).ok(),
        RecordStore::ConfigMaps => Some(text.as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_keeps_its_labels_as_they_are_garbled_ones_too() {
        let object = json!({"metadata": {"name": "sh.helm.release.v1.x.v3", "namespace": "ml", "labels":
            {"owner": "helm", "name": "x", "version": "three"}}});
        let (namespace, record) = header(&object).unwrap();
        assert_eq!(
            (namespace.as_str(), record.object.as_str()),
            ("ml", "sh.helm.release.v1.x.v3")
        );
        assert_eq!(record.labels["version"], "three");
    }

    #[test]
    fn both_stores_give_helms_own_text() {
        let secret = json!({"data": {"release": "SDRzSQ=="}});
        let config_map = json!({"data": {"release": "H4sI"}});
        assert_eq!(payload(RecordStore::Secrets, &secret).unwrap(), b"H4sI");
        assert_eq!(payload(RecordStore::ConfigMaps, &config_map).unwrap(), b"H4sI");
        assert!(payload(RecordStore::Secrets, &json!({"data": {"release": "?"}})).is_none());
    }
}
