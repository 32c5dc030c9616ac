//! What the driver needs of the cluster.

use std::collections::BTreeMap;

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::ReleaseRef;

use super::id::RouteId;

/// A route as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which.
    pub id: RouteId,
    /// The backends of all its rules.
    pub backends: Vec<Backend>,
    /// Requests that its rules take, one for each rule of which a request is known.
    pub requests: Vec<Request>,
    /// Where its filters send copies of requests.
    pub mirrors: Vec<LeadsTo>,
    /// `InferenceService/llama`: who controls it and writes it anew.
    pub controller: Option<String>,
    /// The Helm release that it is part of.
    pub release: Option<ReleaseRef>,
    /// What the gateways say of it.
    pub observed: Observed,
    /// Who wrote fields of it: `helm/Apply`.
    pub managers: Vec<String>,
}

/// A backend of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Index of the rule.
    pub rule: usize,
    /// Index in the rule's backends.
    pub index: usize,
    /// `Service ml/llama:8000`.
    pub name: String,
    /// Its share of the rule's traffic; none is 1.
    pub weight: Option<u32>,
    /// Where it leads.
    pub leads_to: LeadsTo,
}

impl Backend {
    /// Its weight as it counts.
    pub(crate) fn share(&self) -> u32 {
        share(self.weight)
    }
}

/// A weight as it counts. Source: Gateway API, `HTTPBackendRef.weight`, "defaults to 1".
pub(crate) fn share(weight: Option<u32>) -> u32 {
    weight.unwrap_or(1)
}

/// A request that a rule takes, unless a narrower rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Index of the rule.
    pub rule: usize,
    /// Host of the request; none when any will do.
    pub host: Option<String>,
    /// What its path has to be.
    pub path: Path,
    /// Headers that it has to have.
    pub headers: Vec<(String, String)>,
}

/// A path to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// This one.
    Exact(String),
    /// This one, or one below it.
    Prefix(String),
}

/// Where a backend leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadsTo {
    /// A Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Hosts, as `host:port`.
    Hosts(Vec<String>),
    /// Pods of the release, by their labels.
    OwnPods,
    /// Something else.
    Elsewhere,
}

/// What the gateways say of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// They route by it as it is now.
    Accepted(String),
    /// Some have not seen it as it is now.
    Pending(String),
    /// None routes by it.
    Refused(String),
}

/// A backend's weight, to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Index of the rule.
    pub rule: usize,
    /// Index in the rule's backends.
    pub index: usize,
    /// None: the API's default.
    pub weight: Option<u32>,
}

/// The routes that may lead to the release.
#[async_trait]
pub trait Routes: Send + Sync {
    /// All routes of the release's namespace, and those of others that the user named.
    ///
    /// # Errors
    /// `NotFound` when a named one does not exist; `Forbidden`, `Unreachable`.
    async fn list(&self) -> Result<Vec<Route>, Failure>;

    /// Those that the user named.
    fn named(&self) -> &[RouteId];

    /// Sets weights of a route, as it was last listed.
    ///
    /// # Errors
    /// `Conflict` when it changed since; `NotFound`, `Forbidden`, `Unreachable`.
    async fn set(&self, route: &RouteId, weights: &[Weight]) -> Result<(), Failure>;

    /// Takes us out of a route's managed fields. Harmless when we are in none.
    ///
    /// # Errors
    /// `Conflict` when it changed meanwhile; `NotFound`, `Forbidden`, `Unreachable`.
    async fn give_back(&self, route: &RouteId) -> Result<(), Failure>;

    /// For each running pod of the release how many requests it has answered; none where it does not tell.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn answered(&self) -> Result<BTreeMap<String, Option<u64>>, Failure>;
}
