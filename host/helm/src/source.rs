//! Where release records come from.

use std::collections::BTreeMap;

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;

/// A record's object, without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeader {
    /// Name of the Secret or ConfigMap: `sh.helm.release.v1.<release>.v<revision>`.
    pub object: String,
    /// All its labels. Helm's own are `name`, `owner`, `status`, `version`, `createdAt`, `modifiedAt`
    /// (helm v4.3 `pkg/storage/driver/util.go`).
    pub labels: BTreeMap<String, String>,
}

/// The records of one release in its namespace.
#[async_trait]
pub trait RecordSource: Send + Sync {
    /// Kind of the objects: `Secret` or `ConfigMap`.
    fn kind(&self) -> &'static str;

    /// All objects labelled `owner=helm,name=RELEASE`, in any order, broken ones included. Empty when there is none.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn list(&self) -> Result<Vec<RecordHeader>, Failure>;

    /// The value of key `release`, after the API's own base64 of Secrets is undone: Helm's base64 of a gzip stream.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unreachable`; `Invalid` when the object has no such key.
    async fn read(&self, object: &str) -> Result<Vec<u8>, Failure>;

    /// Other namespaces that hold a release of this name; empty when that cannot be asked.
    async fn find_elsewhere(&self) -> Vec<String>;
}
