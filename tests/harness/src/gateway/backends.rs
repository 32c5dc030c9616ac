//! Which addresses a backend of a route leads to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cluster::{Kind, World};
use super::translate::list;
use crate::client::{dialled, ready_ips};

/// A backend that exists.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Backend {
    /// Envoy's cluster for it.
    pub(super) cluster: String,
    /// `address:port`, as this machine can dial them.
    pub(super) addresses: BTreeSet<String>,
}

/// Why a backend does not resolve: a reason of the condition ResolvedRefs, and words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

fn unresolved(reason: &'static str, message: String) -> Unresolved {
    Unresolved { reason, message }
}

/// Resolves a `backendRef` of a route in `namespace`.
pub(super) fn resolve(backend: &Value, namespace: &str, world: &World) -> Result<Backend, Unresolved> {
    let word = |key: &str, otherwise: &str| backend[key].as_str().unwrap_or(otherwise).to_owned();
    let (group, kind, name) = (word("group", ""), word("kind", "Service"), word("name", ""));
    if word("namespace", namespace) != namespace {
        let message = format!("no ReferenceGrant lets {namespace} refer to {kind} {name} of another namespace");
        return Err(unresolved("RefNotPermitted", message));
    }
    let found = match (group.as_str(), kind.as_str()) {
        ("", "Service") => {
            let port = backend["port"].as_u64().unwrap_or_default();
            service(&name, port, world).map(|addresses| (format!("service.{name}.{port}"), addresses))
        }
        ("inference.networking.k8s.io", "InferencePool") => world
            .get(Kind::InferencePool, &name)
            .map(|pool| (format!("pool.{name}"), pool_addresses(pool, world))),
        ("gateway.envoyproxy.io", "Backend") => world
            .get(Kind::Backend, &name)
            .map(|backend| (format!("backend.{name}"), backend_addresses(backend, namespace, world))),
        _ => {
            let message = format!("{kind} of group {group:?} is not supported");
            return Err(unresolved("InvalidKind", message));
        }
    };
    let (cluster, addresses) =
        found.ok_or_else(|| unresolved("BackendNotFound", format!("{kind} {namespace}/{name} not found")))?;
    Ok(Backend { cluster, addresses })
}

/// Ready addresses behind a port of a Service; none when it has no such port. The slices name ports as the Service does.
fn service(service: &str, port: u64, world: &World) -> Option<BTreeSet<String>> {
    let ports = &world.get(Kind::Service, service)?["spec"]["ports"];
    let of = |port: &Value| port["name"].as_str().unwrap_or_default().to_owned();
    let port_name = of(list(ports).find(|known| known["port"].as_u64() == Some(port))?);
    let mut addresses = BTreeSet::new();
    for (_, slice) in world.all(Kind::EndpointSlice) {
        if slice["metadata"]["labels"]["kubernetes.io/service-name"] != service {
            continue;
        }
        let target = list(&slice["ports"]).find(|known| of(known) == port_name);
        if let Some(number) = target.and_then(|port| port["port"].as_u64()) {
            addresses.extend(ready_ips(slice).iter().map(|ip| format!("{}:{number}", dialled(ip))));
        }
    }
    Some(addresses)
}

/// Pods that the pool selects and that are ready. A real gateway asks the pool's endpoint picker which of them it is to be.
fn pool_addresses(pool: &Value, world: &World) -> BTreeSet<String> {
    let wanted = pool["spec"]["selector"]["matchLabels"].as_object();
    let is_selected = |pod: &Value| {
        wanted.is_some_and(|wanted| {
            wanted
                .iter()
                .all(|(key, value)| pod["metadata"]["labels"].get(key) == Some(value))
        })
    };
    let mut addresses = BTreeSet::new();
    for (_, pod) in world.all(Kind::Pod) {
        if let Some(ip) = pod["status"]["podIP"].as_str()
            && is_selected(pod)
            && is_ready(pod)
        {
            let numbers = list(&pool["spec"]["targetPorts"]).filter_map(|port| port["number"].as_u64());
            addresses.extend(numbers.map(|number| format!("{}:{number}", dialled(ip))));
        }
    }
    addresses
}

fn is_ready(pod: &Value) -> bool {
    let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    pod["metadata"]["deletionTimestamp"].is_null() && list(&pod["status"]["conditions"]).any(is_ready)
}

/// Envoy Gateway's Backend. A name of the cluster leads where its Service does: there is no cluster DNS here.
fn backend_addresses(backend: &Value, namespace: &str, world: &World) -> BTreeSet<String> {
    let mut addresses = BTreeSet::new();
    for endpoint in list(&backend["spec"]["endpoints"]) {
        if let Some(ip) = endpoint["ip"]["address"].as_str() {
            addresses.insert(format!("{}:{}", dialled(ip), endpoint["ip"]["port"]));
        }
        let host = endpoint["fqdn"]["hostname"].as_str().unwrap_or_default();
        let suffix = format!(".{namespace}.svc.cluster.local");
        if let (Some(name), Some(port)) = (host.strip_suffix(&suffix), endpoint["fqdn"]["port"].as_u64()) {
            addresses.extend(service(name, port, world).unwrap_or_default());
        }
    }
    addresses
}
