//! Gateway API routes: which backends they have, with which weights, and what the gateways say of it.
//!
//! `spec.rules` is one atomic field (so the published CRDs of HTTPRoute and AIGatewayRoute), so server-side apply would make
//! whoever writes one weight the owner of all rules. A JSON patch under the resourceVersion changes that weight alone.

mod backends;
mod requests;
mod status;

use serde_json::{Value, json};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::release::ReleaseRecord;

pub use backends::{LeadsTo, RouteBackend};
pub use requests::{RoutePath, RouteRequest};
pub use status::Observed;

use crate::connect::Cluster;
use crate::managed_fields::{Borrowed, guarded, helm_owner, managers, returning_patch};
use crate::wire::{Patch, Resource};
use backends::Resolver;

/// Whoever makes a route writes both in one object.
const RULES: Borrowed = Borrowed {
    field: "rules",
    beside: "parentRefs",
};

/// A kind of route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// `gateway.networking.k8s.io`, served by every Gateway API implementation.
    Http,
    /// `aigateway.envoyproxy.io`: Envoy AI Gateway makes an HTTPRoute of the same name from it, and keeps that as it is.
    AiGateway,
}

impl RouteKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Http, Self::AiGateway];

    /// `HTTPRoute`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::AiGateway => "AIGatewayRoute",
        }
    }

    fn group(self) -> &'static str {
        match self {
            Self::Http => "gateway.networking.k8s.io",
            Self::AiGateway => "aigateway.envoyproxy.io",
        }
    }
}

/// A route as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteState {
    /// Kind.
    pub kind: RouteKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Its version.
    pub resource_version: String,
    /// The backends of all its rules.
    pub backends: Vec<RouteBackend>,
    /// Requests that its rules take.
    pub requests: Vec<RouteRequest>,
    /// Where its filters send copies of requests.
    pub mirrors: Vec<LeadsTo>,
    /// `InferenceService/llama`: who controls it and writes it anew.
    pub controller: Option<String>,
    /// `meta.helm.sh/release-name` and `-namespace`: the release that it is part of.
    pub release: Option<(String, String)>,
    /// What the gateways say of it.
    pub observed: Observed,
    /// Who wrote fields of it: `helm/Apply`.
    pub managers: Vec<String>,
}

/// A backend's weight, to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Index of the rule.
    pub rule: usize,
    /// Index in the rule's backends.
    pub index: usize,
    /// None: as the API has it by default, 1.
    pub weight: Option<u32>,
}

impl Cluster {
    /// All routes of this namespace, and `named` ones of others. Kinds that the API does not serve have none.
    ///
    /// # Errors
    /// `NotFound` when a named one does not exist; `Invalid` when the manifest cannot be read; `Forbidden`, `Unreachable`.
    pub async fn routes(
        &self,
        record: &ReleaseRecord,
        named: &[(RouteKind, String, String)],
    ) -> Result<Vec<RouteState>, Failure> {
        let resolver = Resolver::new(self, record)?;
        let mut found = Vec::new();
        for kind in RouteKind::ALL {
            let Some(resource) = self.route_resource(kind).await? else {
                continue;
            };
            let path = resource.collection(Some(self.namespace()));
            let listed = self.wire().list(&path, &[]).await;
            let listed = listed.map_err(|e| {
                e.into_failure(format!(
                    "cannot list the {}s of namespace {}",
                    kind.word(),
                    self.namespace()
                ))
            })?;
            for object in listed.items {
                found.push(self.route_state(kind, &object, &resolver).await?);
            }
        }
        for (kind, namespace, name) in named {
            let is_found = |route: &RouteState| (route.kind, &route.namespace, &route.name) == (*kind, namespace, name);
            if !found.iter().any(is_found) {
                let object = self.route(*kind, namespace, name).await?;
                found.push(self.route_state(*kind, &object, &resolver).await?);
            }
        }
        Ok(found)
    }

    /// Sets weights, if the route is still the one that was read. What is left of us in its managed fields stays until
    /// [`Self::give_route_back`].
    ///
    /// # Errors
    /// `Conflict` when it changed since; `NotFound`, `Forbidden`, `Unreachable`.
    pub async fn set_weights(&self, route: &RouteState, weights: &[Weight]) -> Result<(), Failure> {
        let steps = weights.iter().map(|Weight { rule, index, weight }| {
            let path = format!("/spec/rules/{rule}/backendRefs/{index}/weight");
            match weight {
                Some(weight) => json!({ "op": "add", "path": path, "value": weight }),
                None => json!({ "op": "remove", "path": path }),
            }
        });
        let read = json!({ "metadata": { "resourceVersion": route.resource_version } });
        let patch = guarded(&read, steps.collect());
        self.patch_route(route, &patch).await.map(drop)
    }

    /// Takes us out of a route's managed fields, where we are; the rules go back to who wrote the rest of it.
    ///
    /// # Errors
    /// `Conflict` when it changed meanwhile; `NotFound`, `Forbidden`, `Unreachable`.
    pub async fn give_route_back(&self, route: &RouteState) -> Result<(), Failure> {
        let now = self.route(route.kind, &route.namespace, &route.name).await?;
        match returning_patch(&now, RULES, Vec::new()) {
            Some(patch) => self.patch_route(route, &patch).await.map(drop),
            None => Ok(()),
        }
    }

    async fn patch_route(&self, route: &RouteState, patch: &Value) -> Result<Value, Failure> {
        let RouteState {
            kind, namespace, name, ..
        } = route;
        let what = format!("cannot change {} {namespace}/{name}", kind.word());
        let resource = self.route_resource(*kind).await?.ok_or_else(|| not_served(*kind))?;
        let patched = self
            .wire()
            .patch(&resource.object(namespace, name), Patch::Json, patch)
            .await;
        patched.map_err(|error| {
            // A failed test in a patch is 422.
            if error.is_conflict() || error.code == Some(422) {
                Failure::new(FailureKind::Conflict, what)
                    .because("somebody else changed it at the same time")
                    .because(error.text())
            } else {
                error.into_failure(what)
            }
        })
    }

    async fn route(&self, kind: RouteKind, namespace: &str, name: &str) -> Result<Value, Failure> {
        let resource = self.route_resource(kind).await?.ok_or_else(|| not_served(kind))?;
        let read = self.wire().get(&resource.object(namespace, name)).await;
        read.map_err(|e| e.into_failure(format!("cannot read {} {namespace}/{name}", kind.word())))
    }

    async fn route_state(
        &self,
        kind: RouteKind,
        object: &Value,
        resolver: &Resolver<'_>,
    ) -> Result<RouteState, Failure> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        let observed = match kind {
            RouteKind::Http => status::of_http_route(object),
            RouteKind::AiGateway => match status::of_ai_gateway_route(object) {
                Observed::Accepted(line) => {
                    let made = self.find_route(RouteKind::Http, &namespace, &name).await?;
                    status::of_generated(object, made.as_ref(), line)
                }
                other => other,
            },
        };
        Ok(RouteState {
            kind,
            resource_version: text(&metadata["resourceVersion"]),
            backends: resolver.backends(kind, &namespace, object).await?,
            requests: requests::of(kind, object),
            mirrors: resolver.mirrors(&namespace, object).await?,
            controller: controller(object),
            release: helm_owner(object),
            observed,
            managers: managers(object),
            namespace,
            name,
        })
    }

    async fn find_route(&self, kind: RouteKind, namespace: &str, name: &str) -> Result<Option<Value>, Failure> {
        match self.route_resource(kind).await? {
            None => Ok(None),
            Some(resource) => {
                let found = self.wire().find(&resource.object(namespace, name)).await;
                found.map_err(|e| e.into_failure(format!("cannot read {} {namespace}/{name}", kind.word())))
            }
        }
    }

    async fn route_resource(&self, kind: RouteKind) -> Result<Option<Resource>, Failure> {
        let found = self.preferred(kind.group(), kind.word()).await;
        found.map_err(|e| e.into_failure(format!("cannot ask whether the cluster has {}s", kind.word())))
    }
}

/// `InferenceService/llama`, from the owner reference that controls it.
fn controller(object: &Value) -> Option<String> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some(format!("{}/{}", owner["kind"].as_str()?, owner["name"].as_str()?))
}

fn not_served(kind: RouteKind) -> Failure {
    Failure::new(FailureKind::NotFound, format!("the cluster has no {}s", kind.word()))
        .because(format!("its API does not serve the group {}", kind.group()))
        .next("kubectl api-resources | grep -i route")
}
