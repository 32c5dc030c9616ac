//! The service gate and the registry's owner ← the cluster's Services.

use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_cluster::gate::{Endpoint, GATE_KEY, GateState};
use vllm_rollback_cluster::services::ServicePorts;
use vllm_rollback_cluster::{Cluster, PodIp};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_registry::service::{Gate, Services, Wanted};
use vllm_rollback_registry::{CHECKED, Marks, Owner, PodAddress, ServiceAddress};

use crate::wiring::newest::Newest;

/// The Services that lead to a release's pods.
#[derive(Clone)]
pub(crate) struct SiteServices {
    cluster: Cluster,
    newest: Newest,
}

impl SiteServices {
    /// Of the release whose newest revision this is.
    pub(crate) fn new(cluster: Cluster, newest: Newest) -> Self {
        Self { cluster, newest }
    }

    async fn found(&self) -> Result<Vec<ServicePorts>, Failure> {
        let (record, services) = tokio::try_join!(self.newest.record(), self.cluster.services())?;
        services.of(&record)
    }
}

#[async_trait]
impl Services for SiteServices {
    async fn names(&self) -> Result<Vec<String>, Failure> {
        let found = self.found().await?;
        Ok(found.into_iter().map(|service| service.name).collect())
    }

    async fn read(&self, service: &str) -> Result<Option<Gate>, Failure> {
        match self.cluster.read_gate(service, GATE_KEY).await {
            Ok(state) => Ok(Some(gate(state))),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn close(&self, service: &str, value: &str) -> Result<(), Failure> {
        self.cluster.close_gate(service, GATE_KEY, value).await.map(|_| ())
    }

    async fn open(&self, service: &str) -> Result<(), Failure> {
        self.cluster.open_gate(service, GATE_KEY).await.map(|_| ())
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
        self.newest.turned_client_side().await
    }
}

#[async_trait]
impl Marks for SiteServices {
    async fn mark(&self, pods: &[ServingPod]) -> Result<(), Failure> {
        let record = self.newest.record().await?;
        self.cluster.mark_pods(&record, pods, GATE_KEY, CHECKED).await
    }

    async fn marked(&self) -> Result<Vec<(String, String)>, Failure> {
        let record = self.newest.record().await?;
        self.cluster.marked_pods(&record, GATE_KEY, CHECKED).await
    }
}

#[async_trait]
impl Owner for SiteServices {
    async fn services(&self) -> Result<Vec<ServiceAddress>, Failure> {
        let found = self.found().await?;
        Ok(found
            .into_iter()
            .map(|service| ServiceAddress {
                name: service.name,
                namespace: self.cluster.namespace().to_owned(),
                ports: service.ports,
            })
            .collect())
    }

    async fn pods(&self) -> Result<Vec<PodAddress>, Failure> {
        let record = self.newest.record().await?;
        let pods = self.cluster.pod_ips(&record).await?;
        let address = |pod: PodIp| PodAddress {
            ip: pod.ip,
            ready: pod.ready,
            serving: pod.serves,
            checked: pod.mark.as_deref() == Some(CHECKED),
        };
        Ok(pods.into_iter().map(address).collect())
    }
}

fn gate(state: GateState) -> Gate {
    Gate {
        selector: state.selector,
        value: state.gate_value,
        managers: state.managers,
        release: state.release.map(|(name, namespace)| ReleaseRef { namespace, name }),
    }
}
