//! The router's replicas ← HTTP, or a way through the cluster.

mod pods;
mod urls;

use std::sync::Arc;

use vllm_rollback_cluster::Cluster;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_registry::RouterLink;

use crate::config::settings::{Place, Settings};
use pods::PodLink;
use urls::UrlLink;

/// Bytes of an answer that are read: one token, or a list of workers.
const MAX_BYTES: usize = 64 * 1024;

/// The way to the router of the settings; none when no router is set.
///
/// # Errors
/// Usage, for a URL that cannot be used.
pub(crate) fn link(settings: &Settings, cluster: &Cluster) -> Result<Option<Arc<dyn RouterLink>>, Failure> {
    let Some(router) = &settings.router else {
        return Ok(None);
    };
    let key = router.key.clone();
    Ok(Some(match &router.place {
        Place::Urls(urls) => Arc::new(UrlLink::new(urls, key)?),
        Place::Service(service) => Arc::new(PodLink::new(cluster, service, key)),
    }))
}
