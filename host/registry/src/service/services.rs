//! What the gate needs of the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::ReleaseRef;

use crate::spared::Marks;

/// A Service, as the gate sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Its selector, without the gate's key.
    pub selector: BTreeMap<String, String>,
    /// Value of the gate's key; none means open.
    pub value: Option<String>,
    /// Who wrote fields of it: `helm/Apply`.
    pub managers: Vec<String>,
    /// The release that its annotations name.
    pub release: Option<ReleaseRef>,
}

/// Which endpoints are waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// No endpoint gets traffic, but for pods with these UIDs.
    NoneBut(Vec<String>),
    /// At least one does.
    Some,
}

/// The release's Services in the cluster. All calls are safe to repeat.
#[async_trait]
pub trait Services: Marks {
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
    async fn close(&self, service: &str, value: &str) -> Result<(), Failure>;

    /// Takes the gate's key out, and our entry in the managed fields with it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Forbidden`, `Unreachable`.
    async fn open(&self, service: &str) -> Result<(), Failure>;

    /// Waits until the EndpointSlices are as wanted; the ready addresses.
    ///
    /// # Errors
    /// `Timeout` that names what it saw; `Forbidden`, `Unreachable`.
    async fn wait(&self, service: &str, deadline: Duration, wanted: Wanted) -> Result<Vec<String>, Failure>;

    /// The newest record was written client-side, although the revision it was copied from was applied server-side.
    ///
    /// # Errors
    /// As for reading release records.
    async fn turned_client_side(&self) -> Result<bool, Failure>;
}
