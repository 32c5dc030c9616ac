//! Ownership of entries: does a registry's or router's entry lead to this release?

use serde::{Deserialize, Serialize};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::drivers::ReleaseEndpoints;
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_objects::http::host;
use vllm_rollback_objects::pod::PodEndpoint;
use vllm_rollback_objects::service::Service;

/// Part of a release that a URL leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackendKind {
    /// One of the release's Services: the same after a rollback.
    Service,
    /// One pod: another one after a rollback.
    Pod,
}

impl BackendKind {
    /// Part of the release that this URL leads to; none where it leads elsewhere.
    pub(crate) fn of(url: &str, services: &[Service], pods: &[PodEndpoint]) -> Option<Self> {
        if services.iter().any(|service| service.is_at(url, None)) {
            return Some(Self::Service);
        }
        pods.iter().any(|pod| pod.is_at(url)).then_some(Self::Pod)
    }
}

/// The URL leads to a pod that is labelled as one to retain, and to no other: pods of a host's network share an address.
pub(crate) fn is_retained(url: &str, pods: &[PodEndpoint]) -> bool {
    let mut there = pods.iter().filter(|pod| pod.is_at(url)).peekable();
    there.peek().is_some() && there.all(|pod| pod.retained)
}

/// The URL leads to this pod, whatever the port.
pub(crate) fn leads_to(url: &str, pod: &ServingPod) -> bool {
    pod.ip.as_deref().is_some_and(|ip| host(url) == Some(ip))
}

/// Refuses an entry that leads elsewhere. `what` names it: `the registry's row of llama in production`.
///
/// # Errors
/// `Refused`; `Forbidden`, `Unreachable` when the Services cannot be listed.
pub(crate) async fn assert_own(
    endpoints: &dyn ReleaseEndpoints,
    what: &str,
    endpoint: Option<&str>,
    namespace: Option<&str>,
) -> Result<(), Failure> {
    let services = endpoints.services().await?;
    let endpoint = endpoint.unwrap_or_default();
    if services.iter().any(|service| service.is_at(endpoint, namespace)) {
        return Ok(());
    }
    let own: Vec<String> = services.iter().flat_map(Service::endpoints).collect();
    Err(Failure::refused(format!("{what} is not this release's"))
        .because(match endpoint {
            "" => "it points to no endpoint".to_owned(),
            endpoint => format!("it points to {endpoint}"),
        })
        .because(match own.as_slice() {
            [] => "the release has no Service that selects its pods".to_owned(),
            own => format!("the release serves at {}", own.join(", ")),
        })
        .next("check --model and --environment, or correct the entry"))
}
