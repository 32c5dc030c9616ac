//! What HTTPRoutes mean: Envoy's configuration, and the status that each route gets for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::backends::Unresolved;
use super::cluster::{Kind, World, generation};
use super::rules::Rules;
use super::{CONTROLLER, GATEWAY, LISTENER};

/// What Envoy is to do.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Config {
    /// Envoy's virtual hosts.
    pub(super) hosts: Value,
    /// `address:port` of each cluster, also of those without weight.
    pub(super) clusters: BTreeMap<String, BTreeSet<String>>,
}

/// What the routes mean.
#[derive(Debug, Default)]
pub(super) struct Translation {
    pub(super) config: Config,
    /// Our entries of `status.parents`, without times, by route.
    pub(super) parents: BTreeMap<String, Vec<Value>>,
}

/// A route of Envoy's.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// By the Gateway API's order of precedence.
    pub(super) rank: Rank,
    pub(super) route: Value,
}

/// Kind of path, its length, whether it asks for a method, how many headers and query parameters.
pub(super) type Narrowness = (u8, usize, bool, usize, usize);

/// The narrower match, the older route, the first name, the earlier match.
pub(super) type Rank = (Reverse<Narrowness>, String, String, usize);

/// Elements of a list; none where there is no list.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Translates every route of the namespace that wants this Gateway. `no_backend` is answered where no backend has weight.
pub(super) fn translate(world: &World, namespace: &str, no_backend: u16) -> Translation {
    let mut translation = Translation::default();
    let mut hosts: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    for (name, route) in world.all(Kind::HttpRoute) {
        let mut rules = Rules::new(world, namespace, no_backend);
        let entries = rules.entries(name, route);
        let mut parents = Vec::new();
        let mut is_accepted = false;
        for parent in list(&route["spec"]["parentRefs"]).filter(|parent| is_ours(parent, namespace)) {
            let refusal = refusal(parent, entries.as_ref().err());
            is_accepted |= refusal.is_none();
            let conditions = conditions(refusal, &rules.unresolved, generation(route));
            parents.push(json!({ "parentRef": parent, "controllerName": CONTROLLER, "conditions": conditions }));
        }
        translation.parents.insert(name.to_owned(), parents);
        if let (true, Ok(entries)) = (is_accepted, entries) {
            translation.config.clusters.extend(rules.clusters);
            let names: Vec<&str> = list(&route["spec"]["hostnames"]).filter_map(Value::as_str).collect();
            for host in if names.is_empty() { vec!["*"] } else { names } {
                hosts
                    .entry(host.to_owned())
                    .or_default()
                    .extend(entries.iter().cloned());
            }
        }
    }
    let hosts = hosts.into_iter().map(|(host, mut entries)| {
        entries.sort_by(|a, b| a.rank.cmp(&b.rank));
        let routes: Vec<Value> = entries.into_iter().map(|entry| entry.route).collect();
        json!({ "name": host, "domains": [host], "routes": routes })
    });
    translation.config.hosts = hosts.collect();
    translation
}

fn is_ours(parent: &Value, namespace: &str) -> bool {
    let is = |key: &str, value: &str| parent[key].as_str().unwrap_or(value) == value;
    is("group", "gateway.networking.k8s.io")
        && is("kind", "Gateway")
        && is("name", GATEWAY)
        && is("namespace", namespace)
}

/// Why the route is not accepted: a reason, and words.
fn refusal(parent: &Value, unsupported: Option<&String>) -> Option<(&'static str, String)> {
    let section = parent["sectionName"].as_str().unwrap_or(LISTENER);
    if section != LISTENER {
        return Some(("NoMatchingParent", format!("the Gateway has no listener {section}")));
    }
    unsupported.map(|what| ("UnsupportedValue", what.clone()))
}

/// Accepted and ResolvedRefs, as the Gateway API wants them.
fn conditions(refusal: Option<(&'static str, String)>, unresolved: &[Unresolved], generation: u64) -> [Value; 2] {
    let condition = |kind: &str, wrong: Option<(&'static str, String)>, right: &str| {
        let status = if wrong.is_none() { "True" } else { "False" };
        let (reason, message) = wrong.unwrap_or((kind, right.to_owned()));
        json!({
            "type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation,
        })
    };
    let first = unresolved.first().map(|first| (first.reason, first.message.clone()));
    [
        condition("Accepted", refusal, "Route is accepted"),
        condition(
            "ResolvedRefs",
            first,
            "Resolved all the Object references for the Route",
        ),
    ]
}
