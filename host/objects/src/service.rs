//! Services that lead to a release's pods.

use std::collections::BTreeMap;

use crate::release::ReleaseRef;

/// A Service, as clients and registries name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Ports that clients connect to.
    pub ports: Vec<u16>,
    /// `ClusterIP`, `headless`, `LoadBalancer`, …
    pub kind: String,
    /// Value of the gate's key in its selector; none while it is open.
    pub gate: Option<String>,
}

/// A Service, as the gate sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// Selector, without the gate's key.
    pub selector: BTreeMap<String, String>,
    /// Value of the gate's key; none means open.
    pub value: Option<String>,
    /// Writers of its fields: `helm/Apply`.
    pub managers: Vec<String>,
    /// Release that its annotations `meta.helm.sh/release-name` and `-namespace` name.
    pub release: Option<ReleaseRef>,
}

impl Service {
    /// `llama.ml.svc.cluster.local:8000`, for each port.
    pub fn endpoints(&self) -> impl Iterator<Item = String> {
        let port = |port| format!("{}.{}.svc.cluster.local:{port}", self.name, self.namespace);
        self.ports.iter().map(port)
    }

    /// Says whether an endpoint of a registry (`host:port`, or a URL with a port) is this Service: by its short name,
    /// with its namespace, with `svc`, or in full with any cluster domain. `row_namespace` is what the row says
    /// besides; a short name of another namespace is another Service.
    ///
    /// ```
    /// use vllm_rollback_objects::service::Service;
    ///
    /// let service = Service { name: "llama".into(), namespace: "ml".into(), ports: vec![8000], ..Service::default() };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        Service {
            name: "llama".into(),
            namespace: "ml".into(),
            ports: vec![80, 8000],
            ..Service::default()
        }
    }

    #[test]
    fn clients_reach_a_service_in_full_at_each_of_its_ports() {
        let endpoints: Vec<_> = service().endpoints().collect();
        assert_eq!(
            endpoints,
            ["llama.ml.svc.cluster.local:80", "llama.ml.svc.cluster.local:8000"]
        );
    }

    #[test]
    fn a_short_name_means_the_namespace_of_its_row() {
        assert!(service().is_at("llama:80", Some("ml")));
        assert!(!service().is_at("llama:80", Some("other")));
        assert!(service().is_at("llama.ml:80", Some("other")));
    }

    #[test]
    fn only_the_services_own_names_and_ports_are_its_own() {
        let service = service();
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
