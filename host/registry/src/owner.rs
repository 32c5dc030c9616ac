//! Whether what a registry or a router names is this release's.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::workload::ServingPod;

/// A Service of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAddress {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its ports.
    pub ports: Vec<u16>,
}

/// A pod of the release, whatever its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodAddress {
    /// Its IP address.
    pub ip: String,
    /// It is ready, and stays.
    pub ready: bool,
    /// It is of the revision that the workloads work towards, and ready.
    pub serving: bool,
    /// It carries the mark [`CHECKED`](crate::CHECKED).
    pub checked: bool,
}

/// What a URL leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Behind {
    /// One of the release's Services: the same after a rollback.
    Service,
    /// One pod: another one after a rollback.
    Pod,
}

impl Behind {
    /// What of the release this URL leads to, if it does.
    pub(crate) fn of(url: &str, services: &[ServiceAddress], pods: &[PodAddress]) -> Option<Self> {
        if services.iter().any(|service| service.is_at(url, None)) {
            return Some(Self::Service);
        }
        pods.iter().any(|pod| pod.is_at(url)).then_some(Self::Pod)
    }
}

impl PodAddress {
    /// The URL leads to this pod, whatever the port.
    pub(crate) fn is_at(&self, url: &str) -> bool {
        host(url) == Some(self.ip.as_str())
    }
}

/// The URL leads to a pod that carries the mark, and to no other: pods of a host's network share an address.
pub(crate) fn is_checked(url: &str, pods: &[PodAddress]) -> bool {
    let mut there = pods.iter().filter(|pod| pod.is_at(url)).peekable();
    there.peek().is_some() && there.all(|pod| pod.checked)
}

/// Where the release's model is to be reached.
#[async_trait]
pub trait Owner: Send + Sync {
    /// The Services that select the release's serving pods.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn services(&self) -> Result<Vec<ServiceAddress>, Failure>;

    /// The pods of the release's serving workloads.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn pods(&self) -> Result<Vec<PodAddress>, Failure>;
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
    owner: &dyn Owner,
    what: &str,
    endpoint: Option<&str>,
    namespace: Option<&str>,
) -> Result<(), Failure> {
    let services = owner.services().await?;
    let endpoint = endpoint.unwrap_or_default();
    if services.iter().any(|service| service.is_at(endpoint, namespace)) {
        return Ok(());
    }
    let own: Vec<String> = services.iter().flat_map(ServiceAddress::endpoints).collect();
    Err(
        Failure::new(FailureKind::Refused, format!("{what} is not this release's"))
            .because(match endpoint {
                "" => "it points to no endpoint".to_owned(),
                endpoint => format!("it points to {endpoint}"),
            })
            .because(match own.as_slice() {
                [] => "the release has no Service that selects its pods".to_owned(),
                own => format!("the release serves at {}", own.join(", ")),
            })
            .next("look at --model and --environment, or correct the entry"),
    )
}

impl ServiceAddress {
    /// `llama.ml.svc.cluster.local:8000`, for each port.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = String> {
        let port = |port| format!("{}.{}.svc.cluster.local:{port}", self.name, self.namespace);
        self.ports.iter().map(port)
    }

    /// An endpoint of a registry (`host:port`, or a URL with a port) is this Service: by its short name, with its namespace, with `svc`, or in
    /// full with any cluster domain. `row_namespace` is what the row says besides; a short name of another namespace is
    /// another Service.
    ///
    /// ```
    /// # use vllm_rollback_registry::ServiceAddress;
    /// let service = ServiceAddress { name: "llama".into(), namespace: "ml".into(), ports: vec![8000] };
    /// assert!(service.is_at("llama.ml.svc.cluster.local:8000", None));
    /// assert!(service.is_at("llama:8000", Some("ml")));
    /// assert!(!service.is_at("llama:8000", Some("other")));
    /// assert!(!service.is_at("llama.ml.svc.cluster.local:9000", None));
    /// ```
    pub fn is_at(&self, endpoint: &str, row_namespace: Option<&str>) -> bool {
        let endpoint = endpoint.trim().trim_end_matches('/').to_lowercase();
        let endpoint = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
        let endpoint = endpoint.split_once('/').map_or(endpoint, |(authority, _)| authority);
        let Some((host, port)) = endpoint.rsplit_once(':') else {
            return false;
        };
        if !port.parse().is_ok_and(|port: u16| self.ports.contains(&port)) {
            return false;
        }
        let host = host.trim_end_matches('.');
        if host == self.name {
            return row_namespace.is_none_or(|namespace| namespace == self.namespace);
        }
        let full = format!("{}.{}", self.name, self.namespace);
        match host.strip_prefix(&full) {
            Some("") => true,
            Some(rest) => rest == ".svc" || rest.starts_with(".svc."),
            None => false,
        }
    }
}

/// `10.0.0.7` of `http://10.0.0.7:8000`; an IPv6 address without its brackets.
pub(crate) fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next()?;
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, _)| host),
        None => Some(authority.rsplit_once(':').map_or(authority, |(host, _)| host)),
    }
    .filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_services_own_names_and_ports_are_its_own() {
        let service = ServiceAddress {
            name: "llama".into(),
            namespace: "ml".into(),
            ports: vec![80, 8000],
        };
        for own in [
            "llama:80",
            "llama.ml:8000",
            "llama.ml.svc:8000",
            "LLAMA.ml.svc.example.org.:8000",
            "http://llama.ml.svc.cluster.local:8000/",
            "http://llama.ml.svc:8000/v1",
        ] {
            assert!(service.is_at(own, None), "{own}");
        }
        for other in [
            "llama",
            "llama:81",
            "llama2.ml:8000",
            "llama.ml2.svc:8000",
            "llama.mlx.svc.cluster.local:8000",
            "llama.ml.svcx:8000",
            "x.llama.ml:8000",
            "10.0.0.1:8000",
            "",
        ] {
            assert!(!service.is_at(other, None), "{other}");
        }
    }
}
