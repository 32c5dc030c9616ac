//! What later runs must know ← a ConfigMap of the release.

use async_trait::async_trait;
use vllm_rollback_cluster::Cluster;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::ReleaseRef;

use crate::journal::kept::{Mirror, Shared};

/// The ConfigMap of a release.
#[derive(Clone)]
pub(crate) struct ClusterMirror {
    cluster: Cluster,
    release: ReleaseRef,
}

impl ClusterMirror {
    /// The ConfigMap of this release.
    pub(crate) fn new(cluster: Cluster, release: ReleaseRef) -> Self {
        Self { cluster, release }
    }
}

#[async_trait]
impl Mirror for ClusterMirror {
    async fn read(&self) -> Result<Shared, Failure> {
        let mirrored = self.cluster.read_mirror(&self.release.name).await?;
        Ok(Shared {
            text: mirrored.text,
            version: mirrored.resource_version,
        })
    }

    async fn write(&self, text: &str, over: Option<&str>) -> Result<Option<String>, Failure> {
        self.cluster.write_mirror(&self.release.name, text, over).await
    }

    fn shown_by(&self) -> String {
        let name = vllm_rollback_cluster::journal_mirror::object_name(&self.release.name);
        format!("kubectl get configmap {name} -n {} -o yaml", self.release.namespace)
    }
}
