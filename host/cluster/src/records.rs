//! Helm's release records as they lie in the cluster: found by labels alone, read one at a time.
//!
//! Helm's Secret and ConfigMap drivers label each record with `owner=helm`, `name`, `version`, `status` (helm v4.3
//! `pkg/storage/driver/secrets.go`). A payload can be 1 MB, so lists ask for metadata only.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::Value;
use vllm_rollback_engine::failure::{Failure, FailureKind};

use crate::connect::Cluster;
use crate::wire::Resource;

/// Where Helm keeps its records (`HELM_DRIVER`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordStore {
    /// Secrets of type `helm.sh/release.v1`: the default.
    Secrets,
    /// ConfigMaps.
    ConfigMaps,
}

/// A record, by its labels as they are: whether they make sense is for their reader to say, so that none is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLabels {
    /// Name of the Secret or ConfigMap: `sh.helm.release.v1.<release>.v<revision>`.
    pub object: String,
    /// Its labels: `owner`, `name`, `version`, `status`, and the operator's own.
    pub labels: BTreeMap<String, String>,
}

impl Cluster {
    /// All records of a release in this namespace, in no order.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    pub async fn list_records(&self, store: RecordStore, release: &str) -> Result<Vec<RecordLabels>, Failure> {
        self.records(store, Some(self.namespace()), &format!("owner=helm,name={release}"))
            .await
            .map(|found| found.into_iter().map(|(_, labels)| labels).collect())
    }

    /// The payload of one record: Helm's own base64 text of a gzip stream, as both drivers store it.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unreachable`; `Invalid` when the object holds no payload.
    pub async fn read_record(&self, store: RecordStore, object: &str) -> Result<Vec<u8>, Failure> {
        let path = store.resource().object(self.namespace(), object);
        let kind = store.kind();
        let found = self
            .wire()
            .get(&path)
            .await
            .map_err(|e| e.into_failure(format!("cannot read the release record {kind}/{object}")))?;
        payload(store, &found).ok_or_else(|| {
            Failure::new(
                FailureKind::Invalid,
                format!("the release record {kind}/{object} holds no payload"),
            )
            .because("its data has no readable key \"release\"")
            .next(format!(
                "kubectl get {} {object} -n {} -o yaml",
                kind.to_lowercase(),
                self.namespace()
            ))
        })
    }

    /// Other namespaces that hold a release of this name; empty when that cannot be asked.
    pub async fn find_elsewhere(&self, store: RecordStore, release: &str) -> Vec<String> {
        let found = self
            .records(store, None, &format!("owner=helm,name={release}"))
            .await
            .unwrap_or_default();
        let mut namespaces: Vec<String> = found
            .into_iter()
            .map(|(namespace, _)| namespace)
            .filter(|n| n != self.namespace())
            .collect();
        namespaces.sort();
        namespaces.dedup();
        namespaces
    }

    async fn records(
        &self,
        store: RecordStore,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<(String, RecordLabels)>, Failure> {
        let mut query = vec![("labelSelector", selector)];
        if store == RecordStore::Secrets {
            query.push(("fieldSelector", "type=helm.sh/release.v1"));
        }
        let path = store.resource().collection(namespace);
        let place = namespace.map_or_else(|| "any namespace".to_owned(), |n| format!("namespace {n}"));
        let listed = self
            .wire()
            .list_metadata(&path, &query)
            .await
            .map_err(|e| e.into_failure(format!("cannot list release records in {place}")))?;
        Ok(listed.items.iter().filter_map(labels).collect())
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

fn labels(object: &Value) -> Option<(String, RecordLabels)> {
    let metadata = &object["metadata"];
    let labels = metadata["labels"].as_object().into_iter().flatten();
    let record = RecordLabels {
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
        let (namespace, record) = labels(&object).unwrap();
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
