//! The router of the settings: where clients go, and where its replicas are asked.

use secrecy::SecretString;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_settings::Env;
use vllm_rollback_settings::secret::Source;

use crate::args::traffic::{RouterService, TrafficArgs};
use crate::config::file::File;

/// The router that clients use.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    /// The URL for clients, without secrets; routed checks use it.
    pub(crate) url: Option<String>,
    /// The place of its replicas.
    pub(crate) place: RouterAddress,
    /// The API key.
    pub(crate) key: Option<SecretString>,
}

/// The place of a router's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RouterAddress {
    /// At these URLs.
    Urls(Vec<String>),
    /// Behind a Service of the cluster.
    Service(RouterService),
}

/// That of the command line and the file, if either names one.
///
/// # Errors
/// Usage: replicas that are named twice, a key without a place, a key that cannot be read.
pub(super) fn router(traffic: &TrafficArgs, file: &File, env: &Env) -> Result<Option<Router>, Failure> {
    let keys = &file.router;
    let key = Source::first(
        (&traffic.router_key_env, &traffic.router_key_file),
        (&keys.key_env, &keys.key_file),
    );
    let url = traffic.router_url.clone().or(keys.url.clone());
    let (replicas, service) = match (&traffic.router_service, traffic.router_replica.as_slice()) {
        (None, []) => (keys.replicas.clone(), keys.service.clone()),
        (service, replicas) => (replicas.to_vec(), service.clone()),
    };
    let place = match (service, replicas, &url) {
        (Some(_), replicas, _) if !replicas.is_empty() => {
            return Err(
                Failure::usage("the router's replicas are set by URL and by Service").next("leave one of them out")
            );
        }
        (Some(service), _, _) => RouterAddress::Service(service),
        (None, replicas, _) if !replicas.is_empty() => RouterAddress::Urls(replicas),
        (None, _, Some(url)) => RouterAddress::Urls(vec![url.clone()]),
        (None, _, None) if key.is_some() => {
            return Err(
                Failure::usage("a key for the router is set, but not its URL").next("name it with --router-url URL")
            );
        }
        (None, _, None) => return Ok(None),
    };
    Ok(Some(Router {
        url,
        place,
        key: key.map(|key| key.read("the router's API key", env)).transpose()?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::tests::merge;

    #[test]
    fn a_routers_replicas_are_its_service_or_urls_and_else_its_own_url() {
        let place = |text: &str| {
            let file = File::parse(text).unwrap();
            let merged = merge(TrafficArgs::default(), file, Env::default());
            merged.map(|settings| settings.router.map(|router| router.place))
        };
        let url = || "http://r:1".to_owned();
        assert_eq!(
            place("router: {url: 'http://r:1'}").unwrap(),
            Some(RouterAddress::Urls(vec![url()]))
        );
        assert_eq!(
            place("router: {replicas: ['http://r:1']}").unwrap(),
            Some(RouterAddress::Urls(vec![url()]))
        );
        assert_eq!(
            place("router: {url: 'http://r:1', service: 'llm/vllm-router:8000'}").unwrap(),
            Some(RouterAddress::Service(RouterService {
                namespace: Some("llm".into()),
                name: "vllm-router".into(),
                port: Some(8000)
            }))
        );
        assert_eq!(place("").unwrap(), None);
        assert!(place("router: {replicas: ['http://r:1'], service: r}").is_err());
        assert!(place("registry: {driver: vllm-router}").is_err());
    }

    #[test]
    fn a_service_is_named_with_or_without_namespace_and_port() {
        for wrong in ["", "/r", "a/b/c", "r:x", "R", "a b"] {
            assert!(wrong.parse::<RouterService>().is_err(), "{wrong}");
        }
        assert_eq!("r".parse::<RouterService>().unwrap().port, None);
    }
}
