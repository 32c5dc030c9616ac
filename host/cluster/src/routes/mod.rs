//! Gateway API routes: which backends they have, with which weights, and what the gateways say of it.
//!
//! `spec.rules` is one atomic field (so the published CRDs of HTTPRoute and AIGatewayRoute), so server-side apply would make
//! whoever writes one weight the owner of all rules. A JSON patch under the resourceVersion changes that weight alone.

mod backends;
mod requests;
mod status;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Value, json};
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::drivers::{Routes, Written};
use vllm_rollback_engine::release::ReleaseRecord;
use vllm_rollback_objects::route::{Observed, Route, RouteId, RouteKind, Weight};

use crate::api::Resource;
use crate::connect::Cluster;
use crate::managed_fields::{TemporaryOwnership, guarded, helm_owner, managers, release_ownership_patch};
use crate::pods::{self, text};
use crate::release::CurrentRelease;
use backends::Resolver;

/// Whoever makes a route writes both in one object.
const RULES: TemporaryOwnership = TemporaryOwnership {
    field: "rules",
    beside: "parentRefs",
};

#[async_trait]
impl Routes for CurrentRelease {
    async fn list(&self, named: &[RouteId]) -> Result<Vec<Route>, Failure> {
        let record = self.current.record().await?;
        self.cluster.routes(&record, named).await
    }

    async fn set(&self, route: &Route, weights: &[Weight]) -> Result<Written, WriteError> {
        let steps = weights.iter().map(|Weight { rule, index, weight }| {
            let path = format!("/spec/rules/{rule}/backendRefs/{index}/weight");
            match weight {
                Some(weight) => json!({ "op": "add", "path": path, "value": weight }),
                None => json!({ "op": "remove", "path": path }),
            }
        });
        let read = json!({ "metadata": { "resourceVersion": route.resource_version } });
        let patch = guarded(&read, steps.collect());
        self.cluster.patch_route(&route.id, &patch).await
    }

    async fn give_back(&self, route: &RouteId) -> Result<Written, WriteError> {
        let now = self.cluster.route(route).await?;
        match release_ownership_patch(&now, RULES, Vec::new()) {
            Some(patch) => self.cluster.patch_route(route, &patch).await,
            None => Ok(Written::Done),
        }
    }

    async fn answered(&self) -> Result<BTreeMap<String, Option<u64>>, Failure> {
        let record = self.current.record().await?;
        self.cluster.answered_requests(&record).await
    }
}

impl Cluster {
    /// All routes of this namespace, and `named` ones of others. Kinds that the API does not serve have none.
    ///
    /// # Errors
    /// `NotFound` when a named one does not exist; `Invalid` when the manifest cannot be read; `Forbidden`, `Unreachable`.
    pub(crate) async fn routes(&self, record: &ReleaseRecord, named: &[RouteId]) -> Result<Vec<Route>, Failure> {
        let resolver = Resolver::new(self, record)?;
        let mut found = Vec::new();
        for kind in RouteKind::ALL {
            let Some(resource) = self.route_resource(kind).await? else {
                continue;
            };
            let listed = self.list(&resource).await;
            let cannot = || format!("cannot list the {}s of namespace {}", kind.as_str(), self.namespace());
            for object in listed.map_err(|e| e.into_failure(cannot()))? {
                found.push(self.route_state(kind, &object, &resolver).await?);
            }
        }
        for id in named {
            if !found.iter().any(|route| route.id == *id) {
                let object = self.route(id).await?;
                found.push(self.route_state(id.kind, &object, &resolver).await?);
            }
        }
        Ok(found)
    }

    async fn patch_route(&self, route: &RouteId, patch: &Value) -> Result<Written, WriteError> {
        let what = format!("cannot change {route}");
        let path = self.route_path(route).await.map_err(WriteError::Rejected)?;
        match self.api().patch(&path, patch).await {
            Ok(_) => Ok(Written::Done),
            // A failed test in a patch is 422.
            Err(error) if error.is_conflict() || error.code == Some(422) => Ok(Written::Overtaken(
                Failure::conflict(what)
                    .because("somebody else changed it at the same time")
                    .because(error.text()),
            )),
            Err(error) => Err(error.into_write_error(what)),
        }
    }

    async fn route(&self, route: &RouteId) -> Result<Value, Failure> {
        let read = self.api().get(&self.route_path(route).await?).await;
        read.map_err(|e| e.into_failure(format!("cannot read {route}")))
    }

    async fn route_path(&self, route: &RouteId) -> Result<String, Failure> {
        let resource = self.route_resource(route.kind).await?;
        let resource = resource.ok_or_else(|| not_served(route.kind))?;
        Ok(resource.object(&route.namespace, &route.name))
    }

    async fn route_state(&self, kind: RouteKind, object: &Value, resolver: &Resolver<'_>) -> Result<Route, Failure> {
        let metadata = &object["metadata"];
        let [namespace, name] = ["namespace", "name"].map(|key| text(&metadata[key]).to_owned());
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
        Ok(Route {
            resource_version: text(&metadata["resourceVersion"]).to_owned(),
            backends: resolver.backends(kind, &namespace, object).await?,
            requests: requests::from_route(kind, object),
            mirrors: resolver.mirrors(&namespace, object).await?,
            controller: controller(object),
            release: helm_owner(object),
            observed,
            managers: managers(object),
            id: RouteId { kind, namespace, name },
        })
    }

    async fn find_route(&self, kind: RouteKind, namespace: &str, name: &str) -> Result<Option<Value>, Failure> {
        match self.route_resource(kind).await? {
            None => Ok(None),
            Some(resource) => {
                let found = self.api().find(&resource.object(namespace, name)).await;
                found.map_err(|e| e.into_failure(format!("cannot read {} {namespace}/{name}", kind.as_str())))
            }
        }
    }

    async fn route_resource(&self, kind: RouteKind) -> Result<Option<Resource>, Failure> {
        let found = self.preferred(group(kind), kind.as_str()).await;
        found.map_err(|e| e.into_failure(format!("cannot ask whether the cluster has {}s", kind.as_str())))
    }
}

fn group(kind: RouteKind) -> &'static str {
    match kind {
        RouteKind::Http => "gateway.networking.k8s.io",
        RouteKind::AiGateway => "aigateway.envoyproxy.io",
    }
}

/// `InferenceService/llama`, from the owner reference that controls it.
fn controller(object: &Value) -> Option<String> {
    let owner = pods::controller(object)?;
    Some(format!("{}/{}", owner["kind"].as_str()?, owner["name"].as_str()?))
}

fn not_served(kind: RouteKind) -> Failure {
    Failure::not_found(format!("the cluster has no {}s", kind.as_str()))
        .because(format!("its API does not serve the group {}", group(kind)))
        .next("kubectl api-resources | grep -i route")
}
