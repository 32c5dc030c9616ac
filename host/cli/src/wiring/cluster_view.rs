//! What checks see of the cluster ← the cluster's view of a release.

use async_trait::async_trait;
use vllm_rollback_cluster::Cluster;
use vllm_rollback_cluster::snapshot::{ContainerSnapshot, EventSnapshot, PodSnapshot, ReleaseView};
use vllm_rollback_engine::CurrentRecord;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_plugins::{ClusterView, ContainerView, EventView, LogOf, PodView};

/// The release's pods, events and logs. Its workloads are those of the newest revision.
pub(crate) struct SiteView {
    cluster: Cluster,
    current: CurrentRecord,
}

impl SiteView {
    /// A view of the release whose newest revision this is.
    pub(crate) fn new(cluster: Cluster, current: CurrentRecord) -> Self {
        Self { cluster, current }
    }

    async fn view(&self) -> Result<ReleaseView, Failure> {
        ReleaseView::new(self.cluster.clone(), &*self.current.record().await?)
    }
}

#[async_trait]
impl ClusterView for SiteView {
    async fn pods(&self) -> Result<Vec<PodView>, Failure> {
        Ok(self.view().await?.pods().await?.into_iter().map(pod).collect())
    }

    async fn events(&self) -> Result<Vec<EventView>, Failure> {
        Ok(self.view().await?.events().await?.into_iter().map(event).collect())
    }

    async fn log_tail(&self, pod: &str, container: &str, which: LogOf, lines: u32) -> Result<String, Failure> {
        let previous = which == LogOf::Previous;
        self.view().await?.log_tail(pod, container, previous, lines).await
    }
}

fn pod(pod: PodSnapshot) -> PodView {
    PodView {
        name: pod.name,
        uid: pod.uid,
        revision_hash: pod.revision_hash,
        of_target: pod.of_target,
        phase: pod.phase,
        ready: pod.ready,
        terminating: pod.terminating,
        containers: pod.containers.into_iter().map(container).collect(),
        age_seconds: pod.age_seconds,
    }
}

fn container(container: ContainerSnapshot) -> ContainerView {
    ContainerView {
        name: container.name,
        image: container.image,
        ready: container.ready,
        restarts: container.restarts,
        state: container.state,
        reason: container.reason,
        exit_code: container.exit_code,
    }
}

fn event(event: EventSnapshot) -> EventView {
    EventView {
        object: event.object,
        reason: event.reason,
        message: event.message,
        count: event.count,
        warning: event.warning,
    }
}
