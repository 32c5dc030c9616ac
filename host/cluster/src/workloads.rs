//! The engine's port onto the release's objects.

use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::event::Observer;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::{NotReady, Workloads};
use vllm_rollback_engine::release::ReleaseRecord;
use vllm_rollback_engine::workload::{
    Drained, Drift, EvidenceItem, GitOpsOwner, PodSplit, Preflight, Ready, ServingPod,
};
use vllm_rollback_objects::identity::Object;

use crate::connect::Cluster;
use crate::{drain, drift, evidence, gitops, pod_split, preflight, readiness, serving};

/// The workloads of a release in the cluster's namespace.
#[derive(Clone)]
pub struct ReleaseWorkloads {
    /// The cluster, in the release's namespace.
    pub cluster: Cluster,
    /// The run will close Services, so the preflight asks for the permissions that this needs.
    pub service_gate: bool,
}

#[async_trait]
impl Workloads for ReleaseWorkloads {
    async fn preflight(&self, current: &ReleaseRecord, target: &ReleaseRecord) -> Result<Preflight, Failure> {
        let (current, target) = (current.objects()?, target.objects()?);
        preflight::inspect(&self.cluster, &current, &target, self.service_gate).await
    }

    async fn suspend(&self, owner: &GitOpsOwner, run_id: &str) -> Result<Vec<String>, Failure> {
        gitops::suspend(&self.cluster, owner, run_id).await
    }

    async fn live_objects(&self, record: &ReleaseRecord) -> Result<Vec<Object>, Failure> {
        preflight::live_objects(&self.cluster, &record.objects()?).await
    }

    async fn split_pods(&self, target: &ReleaseRecord) -> Result<PodSplit, Failure> {
        pod_split::split_pods(&self.cluster, &target.objects()?).await
    }

    async fn drain(
        &self,
        current: &ReleaseRecord,
        spared: &[ServingPod],
        deadline: Duration,
        observer: &dyn Observer,
    ) -> Result<Drained, Failure> {
        drain::drain(&self.cluster, &current.objects()?, spared, deadline, observer).await
    }

    async fn evidence(&self, current: &ReleaseRecord) -> Vec<EvidenceItem> {
        match current.objects() {
            Ok(manifest) => evidence::gather(&self.cluster, &manifest).await,
            Err(failure) => vec![EvidenceItem {
                name: "evidence-failed.txt".to_owned(),
                content: failure.to_string(),
            }],
        }
    }

    async fn watch_ready(
        &self,
        target: &ReleaseRecord,
        deadline: Duration,
        observer: &dyn Observer,
    ) -> Result<Ready, NotReady> {
        readiness::watch_ready(&self.cluster, target, deadline, observer).await
    }

    async fn drift(&self, target: &ReleaseRecord) -> Result<Vec<Drift>, Failure> {
        drift::drift(&self.cluster, &target.objects()?).await
    }

    async fn serving_pods(&self, target: &ReleaseRecord) -> Result<Vec<ServingPod>, Failure> {
        serving::pods(&self.cluster, &target.objects()?).await
    }
}
