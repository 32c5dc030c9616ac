//! The rules of a route, as routes of Envoy.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::ai;
use super::backends::{self, Unresolved};
use super::cluster::World;
use super::translate::{Entry, Narrowness, list};

/// Answered for a backend that does not resolve: the Gateway API wants it.
const UNRESOLVED: u16 = 500;
/// No cluster has this name.
const NOWHERE: &str = "unresolved";

/// The translation of one route's rules, and what was found on the way.
pub(super) struct Rules<'a> {
    world: &'a World,
    namespace: &'a str,
    no_backend: u16,
    /// Backends that resolve.
    pub(super) clusters: BTreeMap<String, BTreeSet<String>>,
    /// Backends that do not.
    pub(super) unresolved: Vec<Unresolved>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(world: &'a World, namespace: &'a str, no_backend: u16) -> Self {
        Self {
            world,
            namespace,
            no_backend,
            clusters: BTreeMap::new(),
            unresolved: Vec::new(),
        }
    }

    /// One for each match of each rule.
    ///
    /// # Errors
    /// What this Gateway cannot do.
    pub(super) fn entries(&mut self, name: &str, route: &Value) -> Result<Vec<Entry>, String> {
        let created = route["metadata"]["creationTimestamp"].as_str().unwrap_or_default();
        let mut entries: Vec<Entry> = Vec::new();
        for rule in list(&route["spec"]["rules"]) {
            let action = self.action(rule)?;
            for wanted in list(&rule["matches"]) {
                let (narrowness, wanted) = matching(wanted)?;
                let mut route = json!({ "match": wanted });
                route[action.0] = action.1.clone();
                entries.push(Entry {
                    rank: (Reverse(narrowness), created.to_owned(), name.to_owned(), entries.len()),
                    route,
                });
            }
        }
        Ok(entries)
    }

    /// What becomes of a request: a field of Envoy's Route, and its value.
    fn action(&mut self, rule: &Value) -> Result<(&'static str, Value), String> {
        let mut mirrors = Vec::new();
        for filter in list(&rule["filters"]) {
            let extension = &filter["extensionRef"];
            match filter["type"].as_str() {
                Some("RequestMirror") => mirrors.push(self.mirror(&filter["requestMirror"])),
                Some("ExtensionRef") if ai::is_host_rewrite(extension) => {}
                Some("ExtensionRef") if ai::is_not_found(extension) => {
                    let body = json!({ "inline_string": ai::NOT_FOUND });
                    return Ok(("direct_response", json!({ "status": 404, "body": body })));
                }
                kind => return Err(format!("filter {} is not supported", kind.unwrap_or("without a type"))),
            }
        }
        let mut clusters = Vec::new();
        let mut unresolved = 0;
        for backend in list(&rule["backendRefs"]) {
            if list(&backend["filters"]).next().is_some() {
                return Err("filters of a backend are not supported".to_owned());
            }
            let weight = backend["weight"].as_u64().unwrap_or(1);
            match self.cluster(backend) {
                Some(name) if weight > 0 => clusters.push(json!({ "name": name, "weight": weight })),
                Some(_) => {}
                None => unresolved += weight,
            }
        }
        if clusters.is_empty() {
            let status = if unresolved > 0 { UNRESOLVED } else { self.no_backend };
            return Ok(("direct_response", json!({ "status": status })));
        }
        if unresolved > 0 {
            clusters.push(json!({ "name": NOWHERE, "weight": unresolved }));
        }
        let mut action = json!({
            "weighted_clusters": { "clusters": clusters },
            "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR",
            "request_mirror_policies": mirrors.into_iter().flatten().collect::<Vec<_>>(),
        });
        if let Some(timeout) = rule["timeouts"]["request"].as_str() {
            action["timeout"] = json!(seconds(timeout)?);
        }
        Ok(("route", action))
    }

    fn mirror(&mut self, mirror: &Value) -> Option<Value> {
        let percent = mirror["percent"].as_u64().unwrap_or(100);
        let cluster = self.cluster(&mirror["backendRef"])?;
        let fraction = json!({ "default_value": { "numerator": percent, "denominator": "HUNDRED" } });
        Some(json!({ "cluster": cluster, "runtime_fraction": fraction }))
    }

    fn cluster(&mut self, backend: &Value) -> Option<String> {
        match backends::resolve(backend, self.namespace, self.world) {
            Ok(backend) => {
                self.clusters.insert(backend.cluster.clone(), backend.addresses);
                Some(backend.cluster)
            }
            Err(why) => {
                self.unresolved.push(why);
                None
            }
        }
    }
}

/// How narrow a match is, and what Envoy is to look for.
fn matching(wanted: &Value) -> Result<(Narrowness, Value), String> {
    let path = wanted["path"]["value"].as_str().unwrap_or("/");
    let (kind, mut envoy) = match wanted["path"]["type"].as_str().unwrap_or("PathPrefix") {
        "Exact" => (2, json!({ "path": path })),
        "PathPrefix" => match path.trim_end_matches('/') {
            "" => (1, json!({ "prefix": "/" })),
            // Whole elements of the path.
            prefix => (1, json!({ "path_separated_prefix": prefix })),
        },
        kind => return Err(format!("a path of type {kind} is not supported")),
    };
    let mut headers = values(&wanted["headers"])?;
    let (number, query) = (headers.len(), values(&wanted["queryParams"])?);
    let method = wanted["method"].as_str();
    headers.extend(method.map(|method| json!({ "name": ":method", "string_match": { "exact": method } })));
    let narrowness = (kind, path.len(), method.is_some(), number, query.len());
    envoy["headers"] = json!(headers);
    envoy["query_parameters"] = json!(query);
    Ok((narrowness, envoy))
}

/// Headers or query parameters to match: Envoy writes them the same way.
fn values(wanted: &Value) -> Result<Vec<Value>, String> {
    let of = |wanted: &Value| match wanted["type"].as_str().unwrap_or("Exact") {
        "Exact" => Ok(json!({ "name": wanted["name"], "string_match": { "exact": wanted["value"] } })),
        kind => Err(format!("a match of type {kind} is not supported")),
    };
    list(wanted).map(of).collect()
}

/// A duration of the Gateway API (`1m30s`) as Envoy writes it (`90s`).
fn seconds(duration: &str) -> Result<String, String> {
    let error = || format!("{duration} is not a duration");
    let span: jiff::SignedDuration = duration.parse().map_err(|_| error())?;
    Ok(format!("{:.3}s", span.as_secs_f64()))
}
