//! What of the cluster leads to a release: its Services with their gates, and its pods with their labels.

use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::drivers::{PodLabels, ReleaseEndpoints, ServiceSelectors, Wanted};
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_engine::{CurrentRecord, WriteError};
use vllm_rollback_objects::pod::PodEndpoint;
use vllm_rollback_objects::service::{Gate, Service};

use crate::connect::Cluster;
use crate::gate::Endpoint;

/// Services and pods of a release, as registry drivers need them.
#[derive(Clone)]
pub struct ReleaseServices {
    cluster: Cluster,
    current: CurrentRecord,
}

impl ReleaseServices {
    /// Of the release whose newest revision this is.
    pub fn new(cluster: Cluster, current: CurrentRecord) -> Self {
        Self { cluster, current }
    }
}

#[async_trait]
impl ReleaseEndpoints for ReleaseServices {
    async fn services(&self) -> Result<Vec<Service>, Failure> {
        let (record, services) = tokio::try_join!(self.current.record(), self.cluster.services())?;
        services.of_release(&record)
    }

    async fn pods(&self) -> Result<Vec<PodEndpoint>, Failure> {
        let record = self.current.record().await?;
        self.cluster.pod_endpoints(&record).await
    }
}

#[async_trait]
impl PodLabels for ReleaseServices {
    async fn retain(&self, pods: &[ServingPod]) -> Result<(), Failure> {
        let record = self.current.record().await?;
        self.cluster.retain_pods(&record, pods).await
    }

    async fn retained(&self) -> Result<Vec<(String, String)>, Failure> {
        let record = self.current.record().await?;
        self.cluster.retained_pods(&record).await
    }
}

#[async_trait]
impl ServiceSelectors for ReleaseServices {
    async fn names(&self) -> Result<Vec<String>, Failure> {
        let found = self.services().await?;
        Ok(found.into_iter().map(|service| service.name).collect())
    }

    async fn read(&self, service: &str) -> Result<Option<Gate>, Failure> {
        self.cluster.read_gate(service).await
    }

    async fn close(&self, service: &str, value: &str) -> Result<(), WriteError> {
        self.cluster.close_gate(service, value).await
    }

    async fn open(&self, service: &str) -> Result<(), WriteError> {
        self.cluster.open_gate(service).await
    }

    async fn wait(&self, service: &str, deadline: Duration, wanted: Wanted) -> Result<Vec<String>, Failure> {
        let is_wanted = |endpoints: &[Endpoint]| match &wanted {
            Wanted::NoneBut(uids) => endpoints
                .iter()
                .all(|endpoint| endpoint.pod_uid.as_ref().is_some_and(|uid| uids.contains(uid))),
            Wanted::Some => !endpoints.is_empty(),
        };
        let endpoints = self.cluster.wait_endpoints(service, deadline, is_wanted).await?;
        Ok(endpoints.into_iter().map(|endpoint| endpoint.address).collect())
    }

    async fn turned_client_side(&self) -> Result<bool, Failure> {
        self.current.turned_client_side().await
    }
}
