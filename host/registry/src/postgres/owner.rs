//! Whether a row is this release's.

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;

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

/// Where the release's model is to be reached.
#[async_trait]
pub trait Owner: Send + Sync {
    /// The Services that select the release's serving pods.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn services(&self) -> Result<Vec<ServiceAddress>, Failure>;
}

impl ServiceAddress {
    /// An endpoint of the registry (`host:port`) is this Service: by its short name, with its namespace, with `svc`, or in
    /// full with any cluster domain. `row_namespace` is what the row says besides; a short name of another namespace is
    /// another Service.
    ///
    /// ```
    /// # use vllm_rollback_registry::postgres::ServiceAddress;
    /// let service = ServiceAddress { name: "llama".into(), namespace: "ml".into(), ports: vec![8000] };
    /// assert!(service.is_at("llama.ml.svc.cluster.local:8000", None));
    /// assert!(service.is_at("llama:8000", Some("ml")));
    /// assert!(!service.is_at("llama:8000", Some("other")));
    /// assert!(!service.is_at("llama.ml.svc.cluster.local:9000", None));
    /// ```
    pub fn is_at(&self, endpoint: &str, row_namespace: Option<&str>) -> bool {
        let endpoint = endpoint.trim().trim_end_matches('/').to_lowercase();
        let endpoint = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest);
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
