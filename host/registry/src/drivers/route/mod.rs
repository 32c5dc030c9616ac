//! Gateway API routes: the release's backends get weight 0, and their weights back.
//!
//! What is true of them: a weight of 0 sends no traffic, and a rule whose weights are all 0 is answered with a 5xx whose
//! code differs (Envoy Gateway 500, Istio 503). Some gateways ignore the weight of a single backend, so the gateway itself is
//! asked. A condition in a route's status holds for the generation that it names. A route of the release's own manifest
//! cannot be held: Helm writes its weights back in the middle of the rollback.

mod gateway_probe;
mod name;
mod release_route;
mod settings;
mod verifier;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::ports::drivers::{ReleaseEndpoints, RouterClient, Routes, Written};
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_engine::traffic::{Stop, TrafficState, TrafficStatus};
use vllm_rollback_objects::route::{Backend, LeadsTo, Observed, Route, RouteId, RouteKind, Weight, share};
use vllm_rollback_objects::service::Service;

pub use name::RouteName;
pub use settings::Flags;
pub(crate) use settings::Settings;

use crate::driver_state::{decode, encode};
use crate::router::PAUSE;
use release_route::{DriverState, ReleaseRoute};
use verifier::GatewayVerifier;

/// Attempts at a write while somebody else writes the route at the same time.
const TRIES: usize = 10;

/// The driver of a release; asks nobody yet.
pub struct RouteWeights {
    /// The release.
    pub release: ReleaseRef,
    /// The routes of the cluster.
    pub routes: Arc<dyn Routes>,
    /// Routes of other namespaces that the user named.
    pub named: Vec<RouteId>,
    /// Addresses of this release, against which the routes' backends are compared.
    pub endpoints: Arc<dyn ReleaseEndpoints>,
    /// Client for every replica of the gateway.
    pub client: Arc<dyn RouterClient>,
    /// Model name that clients ask for.
    pub model: String,
}

impl RouteWeights {
    /// The routes that lead to the release, all of them such as can be held.
    async fn leading(&self) -> Result<Vec<ReleaseRoute>, Failure> {
        let (routes, services) = tokio::try_join!(self.routes.list(&self.named), self.endpoints.services())?;
        let is_own = |leads_to: &LeadsTo| match leads_to {
            LeadsTo::Service { namespace, name } => services
                .iter()
                .any(|service| service.namespace == *namespace && service.name == *name),
            LeadsTo::Hosts(hosts) => hosts
                .iter()
                .any(|host| services.iter().any(|service| service.is_at(host, None))),
            LeadsTo::OwnPods => true,
            LeadsTo::Elsewhere => false,
        };
        let mut found = Vec::new();
        for route in routes {
            let own: Vec<Backend> = route
                .backends
                .iter()
                .filter(|backend| is_own(&backend.leads_to))
                .cloned()
                .collect();
            let is_mirrored = route.mirrors.iter().any(is_own);
            let is_named = self.named.contains(&route.id);
            if (own.is_empty() && !is_mirrored) || (is_made_from_another(&route) && !is_named) {
                continue;
            }
            self.assert_can_be_held(&route, is_mirrored)?;
            if is_named {
                assert_is_routed(&route)?;
            }
            found.push(ReleaseRoute { route, own });
        }
        let is_missing = |named: &&RouteId| found.iter().all(|found| found.route.id != **named);
        match self.named.iter().find(is_missing) {
            Some(named) => Err(self.leads_elsewhere(&format!("{named} does not lead to this release"), &services)),
            None if found.is_empty() => {
                let what = format!("no route of namespace {} leads to this release", self.release.namespace);
                Err(self.leads_elsewhere(&what, &services))
            }
            None => {
                // One that works is enough.
                if let Some(first) = found.first().filter(|_| found.iter().all(ReleaseRoute::is_rejected)) {
                    assert_is_routed(&first.route)?;
                }
                Ok(found)
            }
        }
    }

    fn assert_can_be_held(&self, route: &Route, is_mirrored: bool) -> Result<(), Failure> {
        let refused = |why: String| cannot_hold(route).because(why);
        if let Some(controller) = &route.controller {
            let failure = refused(format!("{controller} controls it and would rewrite it"));
            return Err(match controller.strip_prefix("AIGatewayRoute/") {
                Some(name) => failure.next(format!(
                    "name that one: --route aigatewayroute/{}/{name}",
                    route.id.namespace
                )),
                None => failure.next("use another registry: --registry service"),
            });
        }
        if route.release.as_ref() == Some(&self.release) {
            return Err(refused(
                "it is part of this release, so Helm would write its weights back in the middle of the rollback"
                    .to_owned(),
            )
            .next("use the Service behind it: --registry service"));
        }
        if is_mirrored {
            return Err(refused(
                "a filter of it sends copies of requests to this release, whatever the weights".to_owned(),
            )
            .next(format!(
                "take the RequestMirror filter out: {}",
                route.id.command("edit")
            ))
            .next("or use the Service behind it: --registry service"));
        }
        Ok(())
    }

    fn leads_elsewhere(&self, what: &str, services: &[Service]) -> Failure {
        let own: Vec<String> = services.iter().flat_map(Service::endpoints).collect();
        let failure = Failure::refused(what);
        failure
            .because(match own.as_slice() {
                [] => "the release has no Service that selects its pods".to_owned(),
                own => format!("the release serves at {}", own.join(", ")),
            })
            .next("name the route: --route [KIND/][NAMESPACE/]NAME")
            .next(format!("kubectl get httproutes -n {} -o yaml", self.release.namespace))
    }

    /// Writes the weights that `wanted` asks for where they differ, and takes us out of the managed fields where `is_last`.
    async fn write<F>(&self, wanted: F, is_last: bool) -> Result<(), WriteError>
    where
        F: Fn(&ReleaseRoute) -> Vec<Weight> + Send + Sync,
    {
        let mut overtaken = None;
        for _ in 0..TRIES {
            overtaken = None;
            for leading in &self.leading().await.map_err(WriteError::Rejected)? {
                let weights = wanted(leading);
                let mut written = Written::Done;
                if !weights.is_empty() {
                    written = self.routes.set(&leading.route, &weights).await?;
                }
                if written == Written::Done && is_last {
                    written = self.routes.give_back(&leading.route.id).await?;
                }
                if let Written::Overtaken(failure) = written {
                    overtaken = Some(failure);
                }
            }
            if overtaken.is_none() {
                break;
            }
        }
        overtaken.map_or(Ok(()), |failure| {
            let why = format!("this happened {TRIES} times in a row");
            Err(WriteError::Rejected(failure.because(why)))
        })
    }

    /// Waits until the routes are as wanted and every gateway has looked at them as they are.
    async fn settle(&self, end: Instant, wanted: impl Fn(&ReleaseRoute) -> bool) -> Result<Vec<ReleaseRoute>, Failure> {
        loop {
            let found = self.leading().await?;
            if let Some(changed) = found.iter().find(|leading| !wanted(leading)) {
                return Err(
                    Failure::conflict(format!("{} was changed by somebody else", changed.route.id))
                        .because(changed.line())
                        .because(format!("written by {}", changed.route.managers.join(", ")))
                        .next(changed.route.id.command("get") + " --show-managed-fields -o yaml"),
                );
            }
            let Some(pending) = found
                .iter()
                .find(|leading| matches!(leading.route.observed, Observed::Pending(_)))
            else {
                return Ok(found);
            };
            if Instant::now() + PAUSE > end {
                return Err(Failure::timeout("a gateway has not applied its route in time")
                    .because(pending.line())
                    .next(pending.route.id.command("describe")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks as often as it takes to meet the release by the share that it has in this state.
    fn proof(&self, found: &[ReleaseRoute], token: &DriverState) -> GatewayVerifier<'_> {
        let shares = found.iter().flat_map(|leading| leading.shares(token));
        GatewayVerifier {
            client: self.client.as_ref(),
            routes: self.routes.as_ref(),
            probes: gateway_probe::probes(found, &self.model),
            repeats: verifier::repeats(shares.fold(1.0, f64::min)),
        }
    }
}

#[async_trait]
impl Registry for RouteWeights {
    fn driver(&self) -> &'static str {
        "route"
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        let found = self.leading().await?;
        // One backend that still has a share lets traffic in: only all together keep it out.
        let status = if found.iter().all(ReleaseRoute::is_out) {
            TrafficStatus::Disabled
        } else {
            TrafficStatus::Enabled
        };
        Ok(TrafficState {
            driver: self.driver().to_owned(),
            status,
            evidence: found.iter().map(ReleaseRoute::line).collect(),
            endpoint: None,
            token: encode(&DriverState {
                weights: found.iter().flat_map(ReleaseRoute::remembered).collect(),
            }),
        })
    }

    async fn preflight(&self) -> Result<(), Failure> {
        let found = self.leading().await?;
        self.proof(&found, &DriverState::default()).is_possible().await
    }

    async fn stop(&self, stop: &Stop<'_>) -> Result<(), WriteError> {
        decode::<DriverState>(self.driver(), stop.prior).map_err(WriteError::Rejected)?;
        // Those that exist now, too: somebody may have added one.
        let zero = |leading: &ReleaseRoute| {
            let own = leading.own.iter().filter(|own| own.share() > 0);
            own.map(|own| weight(own, Some(0))).collect()
        };
        self.write(zero, false).await
    }

    async fn confirm_stopped(&self, stop: &Stop<'_>, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let token: DriverState = decode(self.driver(), stop.prior)?;
        let found = self.settle(end, ReleaseRoute::is_out).await?;
        let mut lines: Vec<String> = found.iter().map(ReleaseRoute::line).collect();
        lines.extend(self.proof(&found, &token).of_stop(end).await?);
        Ok(lines)
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        let token: DriverState = decode(self.driver(), prior).map_err(WriteError::Rejected)?;
        let restore = |leading: &ReleaseRoute| {
            let differing = leading
                .wanted(&token)
                .filter(|(own, wanted)| own.share() != share(*wanted));
            differing.map(|(own, wanted)| weight(own, wanted)).collect()
        };
        self.write(restore, true).await
    }

    async fn confirm_resumed(&self, prior: &TrafficState, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let token: DriverState = decode(self.driver(), prior)?;
        let is_restored =
            |leading: &ReleaseRoute| leading.wanted(&token).all(|(own, wanted)| own.share() == share(wanted));
        let found = self.settle(end, is_restored).await?;
        let mut lines: Vec<String> = found.iter().map(ReleaseRoute::line).collect();
        if prior.status == TrafficStatus::Enabled {
            lines.extend(self.proof(&found, &token).of_answers(end).await?);
        }
        Ok(lines)
    }

    fn enabled(&self, now: &TrafficState) -> Result<TrafficState, Failure> {
        let mut token: DriverState = decode(self.driver(), now)?;
        for known in token.weights.iter_mut().filter(|known| share(known.weight) == 0) {
            if !known.alone {
                return Err(Failure::refused(format!(
                    "the weight of {} in {} is not known",
                    known.backend, known.route
                ))
                .because("it shares the rule with other backends, and their weights were not saved")
                .next(format!("set it by hand: {}", known.route.command("edit"))));
            }
            known.weight = Some(1);
        }
        Ok(TrafficState {
            status: TrafficStatus::Enabled,
            token: encode(&token),
            ..now.clone()
        })
    }
}

fn cannot_hold(route: &Route) -> Failure {
    let what = format!("{} cannot keep the model out of traffic", route.id);
    Failure::refused(what)
}

/// A gateway routes by it, or may yet.
fn assert_is_routed(route: &Route) -> Result<(), Failure> {
    match &route.observed {
        Observed::Refused(why) => Err(cannot_hold(route)
            .because(format!("no gateway routes by it: {why}"))
            .next(route.id.command("describe"))),
        Observed::Accepted(_) | Observed::Pending(_) => Ok(()),
    }
}

/// Envoy AI Gateway makes an HTTPRoute from each of its own routes, and it is those that are held.
fn is_made_from_another(route: &Route) -> bool {
    let controller = route.controller.as_deref().unwrap_or_default();
    route.id.kind == RouteKind::Http && controller.starts_with("AIGatewayRoute/")
}

fn weight(backend: &Backend, weight: Option<u32>) -> Weight {
    Weight {
        rule: backend.rule,
        index: backend.index,
        weight,
    }
}

#[cfg(test)]
mod tests;
