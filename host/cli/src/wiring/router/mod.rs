//! The router's replicas ← HTTP, or a way through the cluster.

mod pods;
mod urls;

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use vllm_rollback_cluster::Cluster;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::drivers::RouterClient;
use vllm_rollback_plugins::{Bearer, Endpoint, RouterEndpoint};

use crate::config::router::RouterAddress;
use crate::config::settings::Settings;
use pods::PodLink;
use urls::UrlLink;

/// The way to the router of the settings; none when no router is set.
///
/// # Errors
/// Usage, for a URL that cannot be used.
pub(crate) fn link(settings: &Settings, cluster: &Cluster) -> Result<Option<Arc<dyn RouterClient>>, Failure> {
    let Some(router) = &settings.router else {
        return Ok(None);
    };
    let key = router.key.clone();
    Ok(Some(match &router.place {
        RouterAddress::Urls(urls) => Arc::new(UrlLink::new(urls, key)?),
        RouterAddress::Service(service) => Arc::new(PodLink::new(cluster, service, key)),
    }))
}

/// Address at which checks reach that router: as clients do, else at one of its replicas; none when no router is set.
///
/// # Errors
/// Usage, for a URL or key that cannot be used.
pub(crate) fn endpoint(settings: &Settings, cluster: &Cluster) -> Result<Option<RouterEndpoint>, Failure> {
    let Some(router) = &settings.router else {
        return Ok(None);
    };
    let url = match (&router.url, &router.place) {
        (Some(url), _) => url,
        (None, RouterAddress::Urls(urls)) => match urls.first() {
            Some(url) => url,
            None => return Ok(None),
        },
        (None, RouterAddress::Service(service)) => {
            let link = PodLink::new(cluster, service, router.key.clone());
            return Ok(Some(RouterEndpoint::Target(Arc::new(link))));
        }
    };
    let key = router.key.as_ref().and_then(|key| Bearer::new(key.expose_secret()));
    Ok(Some(RouterEndpoint::Url(Endpoint::parse(url, key)?)))
}
