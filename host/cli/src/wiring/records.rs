//! Helm's release records ← the cluster's Secrets and ConfigMaps.

use async_trait::async_trait;
use vllm_rollback_cluster::Cluster;
use vllm_rollback_cluster::records::{RecordLabels, RecordStore};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_helm::{RecordHeader, RecordSource};

use crate::env::Env;

/// The records of one release.
#[derive(Clone)]
pub(crate) struct ClusterRecords {
    cluster: Cluster,
    store: RecordStore,
    release: String,
}

impl ClusterRecords {
    /// Where `HELM_DRIVER` says that Helm keeps its records.
    ///
    /// # Errors
    /// Refused, for a driver whose records are not in the cluster.
    pub(crate) fn new(cluster: Cluster, env: &Env, release: &str) -> Result<Self, Failure> {
        let driver = env.get("HELM_DRIVER").unwrap_or_default();
        let store = RecordStore::from_driver(driver).ok_or_else(|| {
            Failure::new(
                FailureKind::Refused,
                format!("release records of HELM_DRIVER={driver} cannot be read"),
            )
            .because("only records in Secrets and ConfigMaps of the cluster are supported")
            .next("unset HELM_DRIVER, or set it to secret or configmap")
        })?;
        Ok(Self {
            cluster,
            store,
            release: release.to_owned(),
        })
    }
}

#[async_trait]
impl RecordSource for ClusterRecords {
    fn kind(&self) -> &'static str {
        match self.store {
            RecordStore::Secrets => "Secret",
            RecordStore::ConfigMaps => "ConfigMap",
        }
    }

    async fn list(&self) -> Result<Vec<RecordHeader>, Failure> {
        let records = self.cluster.list_records(self.store, &self.release).await?;
        let header = |record: RecordLabels| RecordHeader {
            object: record.object,
            labels: record.labels,
        };
        Ok(records.into_iter().map(header).collect())
    }

    async fn read(&self, object: &str) -> Result<Vec<u8>, Failure> {
        self.cluster.read_record(self.store, object).await
    }

    async fn find_elsewhere(&self) -> Vec<String> {
        self.cluster.find_elsewhere(self.store, &self.release).await
    }
}
