//! What registry drivers ask of the cluster and of routers.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_objects::http::{Request, Response};
use vllm_rollback_objects::pod::PodEndpoint;
use vllm_rollback_objects::route::{Route, RouteId, Weight};
use vllm_rollback_objects::service::{Gate, Service};

use crate::failure::Failure;
use crate::workload::ServingPod;
use crate::write_error::WriteError;

/// Labels on the release's pods. All calls are safe to repeat.
#[async_trait]
pub trait PodLabels: Send + Sync {
    /// Labels these pods as ones to retain, and takes the label from all others of the release.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when one is gone; `Forbidden`, `Unreachable`.
    async fn retain(&self, pods: &[ServingPod]) -> Result<(), Failure>;

    /// Name and UID of the release's pods that carry the label.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn retained(&self) -> Result<Vec<(String, String)>, Failure>;
}

/// Places where the release's model is reached.
#[async_trait]
pub trait ReleaseEndpoints: Send + Sync {
    /// The Services that select the release's serving pods.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn services(&self) -> Result<Vec<Service>, Failure>;

    /// The pods of the release's serving workloads.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn pods(&self) -> Result<Vec<PodEndpoint>, Failure>;
}

/// Endpoints of a Service that are waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// No endpoint gets traffic, but for pods with these UIDs.
    NoneBut(Vec<String>),
    /// At least one does.
    Some,
}

/// Selectors of the release's Services, and the endpoints that come of them. All calls are safe to repeat.
#[async_trait]
pub trait ServiceSelectors: PodLabels {
    /// Names of the Services whose selectors, gate apart, select the release's serving pods; those of other releases too.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn names(&self) -> Result<Vec<String>, Failure>;

    /// Reads one; none when it does not exist.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn read(&self, service: &str) -> Result<Option<Gate>, Failure>;

    /// Puts the gate's key with this value into the selector.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unreachable`.
    async fn close(&self, service: &str, value: &str) -> Result<(), WriteError>;

    /// Takes the gate's key out, and our entry in the managed fields with it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Forbidden`, `Unreachable`.
    async fn open(&self, service: &str) -> Result<(), WriteError>;

    /// Waits until the EndpointSlices are as wanted; the ready addresses.
    ///
    /// # Errors
    /// `Timeout` that names what it saw; `Forbidden`, `Unreachable`.
    async fn wait(&self, service: &str, deadline: Duration, wanted: Wanted) -> Result<Vec<String>, Failure>;

    /// Says whether the newest record was written client-side, although the revision it was copied from was applied
    /// server-side.
    ///
    /// # Errors
    /// As for reading release records.
    async fn turned_client_side(&self) -> Result<bool, Failure>;
}

/// Answer to a write of an object that has to be as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Done.
    Done,
    /// Nothing was written: somebody else changed the object since, as the failure says.
    Overtaken(Failure),
}

/// Routes that may lead to the release.
#[async_trait]
pub trait Routes: Send + Sync {
    /// All routes of the release's namespace, and `named` ones of others.
    ///
    /// # Errors
    /// `NotFound` when a named one does not exist; `Forbidden`, `Unreachable`.
    async fn list(&self, named: &[RouteId]) -> Result<Vec<Route>, Failure>;

    /// Sets weights of a route, as it was read.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unreachable`.
    async fn set(&self, route: &Route, weights: &[Weight]) -> Result<Written, WriteError>;

    /// Takes us out of a route's managed fields. Harmless when we are in none.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unreachable`.
    async fn give_back(&self, route: &RouteId) -> Result<Written, WriteError>;

    /// Requests that each running pod of the release has answered; none where it does not tell.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn answered(&self) -> Result<BTreeMap<String, Option<u64>>, Failure>;
}

/// HTTP with the replicas of a router, its key added.
#[async_trait]
pub trait RouterClient: Send + Sync {
    /// The replicas of now, by names for people that are free of secrets (a URL, a pod); at least one. The place that
    /// clients use may be among them.
    ///
    /// # Errors
    /// `Unreachable`, `Forbidden`; `NotFound` when there is none.
    async fn replicas(&self) -> Result<Vec<String>, Failure>;

    /// Sends a request to one of them, once.
    ///
    /// # Errors
    /// `Unreachable` or `Timeout` without an answer.
    async fn send(&self, replica: &str, request: &Request) -> Result<Response, Failure>;

    /// Arguments with which a replica was started; empty where that cannot be seen.
    ///
    /// # Errors
    /// `Unreachable`, `Forbidden`.
    async fn arguments(&self, _replica: &str) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }
}
