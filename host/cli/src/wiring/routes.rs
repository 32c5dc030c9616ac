//! The route driver ← the cluster's routes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use vllm_rollback_cluster::Cluster;
use vllm_rollback_cluster::routes as live;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_registry::route::{
    Backend, LeadsTo, Observed, Path, Request, Route, RouteId, RouteKind, Routes, Weight,
};

use crate::args::route_name::RouteName;
use crate::wiring::newest::Newest;

/// The routes that may lead to a release.
pub(crate) struct SiteRoutes {
    cluster: Cluster,
    newest: Newest,
    named: Vec<RouteId>,
    /// As last listed: a write holds for what was seen.
    listed: Mutex<BTreeMap<RouteId, live::RouteState>>,
}

impl SiteRoutes {
    /// Of the release whose newest revision this is; `named` ones beside those of its namespace.
    pub(crate) fn new(cluster: Cluster, newest: Newest, named: &[RouteName]) -> Self {
        let named = named.iter().map(|name| name.seen_from(cluster.namespace()));
        Self {
            named: named.collect(),
            cluster,
            newest,
            listed: Mutex::default(),
        }
    }

    fn as_listed(&self, route: &RouteId) -> Result<live::RouteState, Failure> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || Failure::new(FailureKind::Internal, format!("{route} was not listed"));
        listed.get(route).cloned().ok_or_else(unknown)
    }
}

#[async_trait]
impl Routes for SiteRoutes {
    async fn list(&self) -> Result<Vec<Route>, Failure> {
        let record = self.newest.record().await?;
        let named: Vec<(live::RouteKind, String, String)> = self
            .named
            .iter()
            .map(|id| (kind(id.kind), id.namespace.clone(), id.name.clone()))
            .collect();
        let found = self.cluster.routes(&record, &named).await?;
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        *listed = found.iter().map(|state| (id(state), state.clone())).collect();
        Ok(found.into_iter().map(route).collect())
    }

    fn named(&self) -> &[RouteId] {
        &self.named
    }

    async fn set(&self, route: &RouteId, weights: &[Weight]) -> Result<(), Failure> {
        let weights: Vec<live::Weight> = weights
            .iter()
            .map(|Weight { rule, index, weight }| live::Weight {
                rule: *rule,
                index: *index,
                weight: *weight,
            })
            .collect();
        self.cluster.set_weights(&self.as_listed(route)?, &weights).await
    }

    async fn give_back(&self, route: &RouteId) -> Result<(), Failure> {
        self.cluster.give_route_back(&self.as_listed(route)?).await
    }

    async fn answered(&self) -> Result<BTreeMap<String, Option<u64>>, Failure> {
        self.cluster.answered_requests(&*self.newest.record().await?).await
    }
}

fn kind(kind: RouteKind) -> live::RouteKind {
    match kind {
        RouteKind::Http => live::RouteKind::Http,
        RouteKind::AiGateway => live::RouteKind::AiGateway,
    }
}

fn id(state: &live::RouteState) -> RouteId {
    RouteId {
        kind: match state.kind {
            live::RouteKind::Http => RouteKind::Http,
            live::RouteKind::AiGateway => RouteKind::AiGateway,
        },
        namespace: state.namespace.clone(),
        name: state.name.clone(),
    }
}

fn route(state: live::RouteState) -> Route {
    Route {
        id: id(&state),
        backends: state.backends.into_iter().map(backend).collect(),
        requests: state.requests.into_iter().map(request).collect(),
        mirrors: state.mirrors.into_iter().map(leads_to).collect(),
        controller: state.controller,
        release: state.release.map(|(name, namespace)| ReleaseRef { namespace, name }),
        observed: match state.observed {
            live::Observed::Accepted(line) => Observed::Accepted(line),
            live::Observed::Pending(line) => Observed::Pending(line),
            live::Observed::Refused(line) => Observed::Refused(line),
        },
        managers: state.managers,
    }
}

fn backend(backend: live::RouteBackend) -> Backend {
    Backend {
        rule: backend.rule,
        index: backend.index,
        name: backend.name,
        weight: backend.weight,
        leads_to: leads_to(backend.leads_to),
    }
}

fn request(request: live::RouteRequest) -> Request {
    Request {
        rule: request.rule,
        host: request.host,
        path: match request.path {
            live::RoutePath::Exact(path) => Path::Exact(path),
            live::RoutePath::Prefix(path) => Path::Prefix(path),
        },
        headers: request.headers,
    }
}

fn leads_to(place: live::LeadsTo) -> LeadsTo {
    match place {
        live::LeadsTo::Service { namespace, name } => LeadsTo::Service { namespace, name },
        live::LeadsTo::Hosts(hosts) => LeadsTo::Hosts(hosts),
        live::LeadsTo::OwnPods => LeadsTo::OwnPods,
        live::LeadsTo::Elsewhere => LeadsTo::Elsewhere,
    }
}
