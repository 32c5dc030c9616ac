//! The traits through which the sandbox asks on behalf of checks.

use std::sync::Arc;

use async_trait::async_trait;
use vllm_rollback_objects::event::Event;
use vllm_rollback_objects::http::{Request, Response};
use vllm_rollback_objects::pod::{LogOf, Pod, PodAddress};

use crate::failure::Failure;
use crate::ports::run::Registry;
use crate::traffic::TrafficState;

/// Reason why there is no answer. Texts name no address and no secret: checks read them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Not allowed: to this user, or by the sandbox's policy.
    #[error("{0}")]
    Denied(String),
    /// No connection, or it broke before the answer was complete.
    #[error("{0}")]
    Unreachable(String),
    /// The call took longer than it may.
    #[error("{0}")]
    Timeout(String),
    /// The answer is larger than it may be, found before it was all read.
    #[error("{0}")]
    TooLarge(String),
}

/// HTTP to one server: the router, by whatever leads there.
#[async_trait]
pub trait HttpTarget: Send + Sync {
    /// Sends one request, with the server's key where it has one.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn send(&self, request: Request) -> Result<Response, HttpError>;
}

/// HTTP to pods.
#[async_trait]
pub trait PodTargets: Send + Sync {
    /// Sends one request to a pod, over whatever leads there.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn send(&self, pod: &PodAddress, request: Request) -> Result<Response, HttpError>;
}

/// The release's pods, events and logs, read-only. Nothing of other releases.
#[async_trait]
pub trait ClusterView: Send + Sync {
    /// Pods of the release's workloads now, whatever revision.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn pods(&self) -> Result<Vec<Pod>, Failure>;

    /// Events about the release's workloads, their revisions and their pods, oldest first.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn events(&self) -> Result<Vec<Event>, Failure>;

    /// The last lines (at most 500, 64 KiB) of a container's log.
    ///
    /// # Errors
    /// `Refused` for a pod that is not the release's; `NotFound`, `Forbidden`, `Unreachable`.
    async fn log_tail(&self, pod: &str, container: &str, which: LogOf, lines: u32) -> Result<String, Failure>;
}

/// The model's place in traffic, read-only.
#[async_trait]
pub trait TrafficView: Send + Sync {
    /// The state now.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn read(&self) -> Result<TrafficState, Failure>;
}

/// Checks see the state that a driver reads, and nothing else of the driver.
#[async_trait]
impl TrafficView for Arc<dyn Registry> {
    async fn read(&self) -> Result<TrafficState, Failure> {
        Registry::read(self.as_ref()).await
    }
}
