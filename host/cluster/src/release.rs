//! The release that drivers and checks ask about.

use vllm_rollback_engine::CurrentRecord;

use crate::connect::Cluster;

/// A release in the cluster, as its newest revision describes it. What drivers ask of it is answered in `endpoints`,
/// `gate` and `routes`, what checks may see in `snapshot`.
#[derive(Clone)]
pub struct CurrentRelease {
    pub(crate) cluster: Cluster,
    pub(crate) current: CurrentRecord,
}

impl CurrentRelease {
    /// Of the release whose newest revision this is.
    pub fn new(cluster: Cluster, current: CurrentRecord) -> Self {
        Self { cluster, current }
    }
}
