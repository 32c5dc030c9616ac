//! LiteLLM proxy: the release's deployments are blocked in its database, and every replica is asked until it follows.
//!
//! What is true of LiteLLM 1.108 (tried): only models that are stored in its database can be blocked; a block is written
//! once and the other replicas read it within their reload interval (30 s); a group whose deployments are all blocked is
//! answered 403 "Model is blocked", and an answer's `x-litellm-model-id` names the deployment that gave it. Versions that
//! have no `/model/block` are refused.

mod proxy;
mod settings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::ports::drivers::{PodLabels, ReleaseEndpoints, RouterClient};
use vllm_rollback_engine::traffic::{Keep, Stop, TrafficState, TrafficStatus};
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_objects::service::Service;

pub(crate) use settings::Settings;

use crate::driver_state::{decode, encode};
use crate::release_endpoints::{BackendKind, leads_to};
use crate::retained_pods::{self, cannot_tell_apart, knows_none, status_where, try_unlabel};
use crate::router::PAUSE;
use proxy::{Deployment, Responder};

/// The driver of a release; asks nobody yet.
pub struct LiteLlm {
    /// Client for every replica, with an admin's key.
    pub client: Arc<dyn RouterClient>,
    /// Addresses of this release, against which each deployment's `api_base` is compared.
    pub endpoints: Arc<dyn ReleaseEndpoints>,
    /// Labels on good pods.
    pub labels: Arc<dyn PodLabels>,
}

/// Saved state: for each deployment of the release, by id, whether it was blocked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct DriverState {
    blocked: BTreeMap<String, bool>,
}

/// One replica's deployments of now.
struct ReplicaState {
    replica: String,
    own: Vec<Deployment>,
    others: Vec<Deployment>,
}

impl ReplicaState {
    fn line(&self) -> String {
        let own: Vec<String> = self.own.iter().map(ToString::to_string).collect();
        let own = if own.is_empty() {
            "none".to_owned()
        } else {
            own.join(", ")
        };
        format!(
            "litellm {}: deployments of this release: {own}; others: {}",
            self.replica,
            self.others.len()
        )
    }

    fn is_as(&self, wanted: &BTreeMap<String, bool>) -> bool {
        wanted.iter().all(|(id, blocked)| match self.own(id) {
            Some(own) => own.blocked == *blocked,
            None => self.gone(id).is_some(),
        })
    }

    fn own(&self, id: &str) -> Option<&Deployment> {
        self.own.iter().find(|own| own.id == id)
    }

    /// Deployment that led to a pod of the release that is gone. A pod that has that address now was not checked.
    fn gone(&self, id: &str) -> Option<&Deployment> {
        self.others.iter().find(|other| other.id == id && other.is_at_address())
    }

    /// Refuses a deployment in traffic that leads to a Service: good and bad pods behind it cannot be distinguished.
    fn assert_pods(&self) -> Result<(), Failure> {
        let is_service = |own: &&Deployment| own.behind == Some(BackendKind::Service) && !own.blocked;
        self.own.iter().find(is_service).map_or(Ok(()), |own| {
            let what = format!("LiteLLM deployment {}", own.id);
            Err(cannot_tell_apart(&what, &own.api_base))
        })
    }

    /// The deployments that a stop blocks.
    fn stops(&self, keep: Keep) -> impl Iterator<Item = &Deployment> {
        self.own.iter().filter(move |own| keep == Keep::Nothing || !own.checked)
    }
}

/// Of the release, only pods with the mark are in traffic.
fn are_alone(seen: &[ReplicaState]) -> bool {
    let mut open = seen
        .iter()
        .flat_map(|seen| &seen.own)
        .filter(|own| !own.blocked)
        .peekable();
    open.peek().is_some() && open.all(|own| own.checked)
}

impl LiteLlm {
    async fn inspect(&self) -> Result<Vec<ReplicaState>, Failure> {
        let (replicas, services, pods) =
            tokio::try_join!(self.client.replicas(), self.endpoints.services(), self.endpoints.pods())?;
        let listing = replicas.into_iter().map(|replica| {
            let (services, pods) = (&services, &pods);
            async move {
                let mut all = proxy::list(self.client.as_ref(), &replica).await?;
                for deployment in &mut all {
                    deployment.attribute(services, pods);
                }
                let (own, others) = all.into_iter().partition(|deployment| deployment.behind.is_some());
                Ok::<_, Failure>(ReplicaState { replica, own, others })
            }
        });
        try_join_all(listing).await
    }

    /// Deployments as the first replica shows them; all replicas share one database.
    ///
    /// # Errors
    /// `NotFound` when there is no replica.
    fn first<'s>(&self, seen: &'s [ReplicaState]) -> Result<&'s ReplicaState, Failure> {
        seen.first()
            .ok_or_else(|| Failure::not_found("no LiteLLM proxy is known"))
    }

    /// A blocked deployment stays listed, so none means that this is another's proxy, or that somebody took it away.
    async fn not_ours(&self, place: &ReplicaState) -> Failure {
        let services = self.endpoints.services().await.unwrap_or_default();
        let own: Vec<String> = services.iter().flat_map(Service::endpoints).collect();
        let others: Vec<&str> = place.others.iter().map(|other| other.api_base.as_str()).collect();
        Failure::refused(format!("LiteLLM {} has no deployment of this release", place.replica))
            .because(format!("its deployments lead to {}", others.join(", ")))
            .because(format!("the release serves at {}", own.join(", ")))
            .next("check api_base of the proxy's models: GET /model/info")
    }

    /// Blocks or unblocks what differs, at one replica.
    async fn set(&self, wanted: &BTreeMap<String, bool>) -> Result<(), WriteError> {
        let seen = self.inspect().await.map_err(WriteError::Rejected)?;
        let place = self.first(&seen).map_err(WriteError::Rejected)?;
        let is_any_left = wanted.keys().any(|id| place.own(id).is_some());
        for (id, blocked) in wanted {
            let Some(deployment) = place.own(id) else {
                if is_any_left && place.gone(id).is_some() {
                    continue;
                }
                let failure = Failure::conflict(format!("LiteLLM has no deployment {id} of this release any more"))
                    .because(place.line());
                return Err(WriteError::Rejected(match place.gone(id) {
                    Some(gone) => failure
                        .because(format!("the pod at {} is gone", gone.api_base))
                        .next("point the deployment at the release's Service: POST /model/update with its api_base"),
                    None => failure.next("check who changed the proxy's models: GET /model/info"),
                }));
            };
            if deployment.blocked != *blocked {
                proxy::set_blocked(self.client.as_ref(), &place.replica, deployment, *blocked).await?;
            }
        }
        Ok(())
    }

    /// Waits until every replica shows its deployments as wanted.
    async fn settle(&self, end: Instant, wanted: impl Fn(&ReplicaState) -> bool) -> Result<Vec<ReplicaState>, Failure> {
        loop {
            let seen = self.inspect().await?;
            if seen.iter().all(&wanted) {
                return Ok(seen);
            }
            if Instant::now() + PAUSE > end {
                return Err(Failure::timeout("not every LiteLLM proxy follows its database")
                    .because(seen.iter().map(ReplicaState::line).collect::<Vec<_>>().join("; "))
                    .next("they read it every proxy_config_reload_interval_seconds: give them more time"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// For each name that clients ask for: no deployment of this release answers.
    async fn prove_refused(&self, seen: &ReplicaState) -> Result<Vec<String>, Failure> {
        let mut lines = vec![seen.line()];
        for group in seen.groups() {
            let answer = proxy::ask(self.client.as_ref(), &seen.replica, &group).await?;
            if let Responder::Deployment(id) = &answer
                && seen.own(id).is_some_and(|own| own.blocked)
            {
                return Err(Failure::invalid(format!(
                    "LiteLLM {} answers for {group} by deployment {id}, which it shows as blocked",
                    seen.replica
                )));
            }
            lines.push(format!("litellm {}: a completion for {group}: {answer}", seen.replica));
        }
        Ok(lines)
    }

    /// For each name that clients ask for: a deployment of this release answers.
    async fn prove_answered(&self, seen: &ReplicaState, end: Instant) -> Result<Vec<String>, Failure> {
        let mut lines = vec![seen.line()];
        for group in seen.groups() {
            loop {
                let answer = proxy::ask(self.client.as_ref(), &seen.replica, &group).await?;
                let line = format!("litellm {}: a completion for {group}: {answer}", seen.replica);
                if let Responder::Deployment(id) = &answer
                    && seen.own(id).is_some()
                {
                    lines.push(line);
                    break;
                }
                if Instant::now() + PAUSE > end {
                    return Err(Failure::timeout(format!(
                        "no deployment of this release answers for {group} through LiteLLM"
                    ))
                    .because(line));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(lines)
    }
}

impl ReplicaState {
    /// The names that clients ask for to reach this release.
    fn groups(&self) -> Vec<String> {
        let mut names: Vec<String> = self.own.iter().map(|own| own.group.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}

#[async_trait]
impl Registry for LiteLlm {
    fn driver(&self) -> &'static str {
        "litellm"
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        let seen = self.inspect().await?;
        let place = self.first(&seen)?;
        for deployment in &place.own {
            deployment.assert_can_be_blocked(&place.replica)?;
        }
        // What led to pods of the release stays listed when they are gone.
        if place.own.is_empty() && !place.others.iter().any(Deployment::is_at_address) {
            return Err(self.not_ours(place).await);
        }
        let status = if seen.iter().flat_map(|seen| &seen.own).all(|own| own.blocked) {
            TrafficStatus::Disabled
        } else {
            status_where(are_alone(&seen))
        };
        Ok(TrafficState {
            driver: self.driver().to_owned(),
            status,
            evidence: seen.iter().map(ReplicaState::line).collect(),
            endpoint: place.own.first().map(|own| own.api_base.clone()),
            token: encode(&DriverState {
                blocked: place.own.iter().map(|own| (own.id.clone(), own.blocked)).collect(),
            }),
        })
    }

    async fn preflight(&self) -> Result<(), Failure> {
        let seen = self.inspect().await?;
        let place = self.first(&seen)?;
        if place.own.is_empty() {
            return Err(self.not_ours(place).await);
        }
        for seen in &seen {
            for group in seen.groups() {
                match proxy::ask(self.client.as_ref(), &seen.replica, &group).await {
                    // The proxy listed its models, so it is a backend that hangs, which is no reason to keep it in traffic.
                    Err(failure) if failure.kind == FailureKind::Timeout => {}
                    asked => drop(asked?),
                }
            }
        }
        Ok(())
    }

    async fn assert_can_retain(&self) -> Result<(), Failure> {
        let seen = self.inspect().await?;
        self.first(&seen)?.assert_pods()
    }

    async fn retain(&self, pods: &[ServingPod]) -> Result<Vec<String>, Failure> {
        let seen = self.inspect().await?;
        let place = self.first(&seen)?;
        place.assert_pods()?;
        let is_retained = |own: &Deployment| pods.iter().any(|pod| leads_to(&own.api_base, pod));
        for group in place.groups() {
            let mut open = place
                .own
                .iter()
                .filter(|own| own.group == group && !own.blocked)
                .peekable();
            if open.peek().is_some() && !open.any(is_retained) {
                return Err(knows_none(&format!("LiteLLM's model {group}"), pods));
            }
        }
        retained_pods::label(self.labels.as_ref(), pods).await
    }

    async fn stop(&self, stop: &Stop<'_>) -> Result<(), WriteError> {
        decode::<DriverState>(self.driver(), stop.prior).map_err(WriteError::Rejected)?;
        // Those that exist now, too: somebody may have added one.
        let seen = self.inspect().await.map_err(WriteError::Rejected)?;
        let stops = self.first(&seen).map_err(WriteError::Rejected)?.stops(stop.keep);
        self.set(&stops.map(|own| (own.id.clone(), true)).collect()).await?;
        if stop.keep == Keep::Nothing {
            try_unlabel(self.labels.as_ref()).await;
        }
        Ok(())
    }

    async fn revert_partial_stop(&self, found: &TrafficState) -> Result<bool, WriteError> {
        if found.status != TrafficStatus::Enabled {
            return Ok(false);
        }
        self.restore(found).await?;
        Ok(true)
    }

    async fn confirm_stopped(&self, stop: &Stop<'_>, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let seen = self
            .settle(end, |seen| seen.stops(stop.keep).all(|own| own.blocked))
            .await?;
        let lines = try_join_all(seen.iter().map(|seen| self.prove_refused(seen))).await?;
        Ok(lines.concat())
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        let token: DriverState = decode(self.driver(), prior).map_err(WriteError::Rejected)?;
        self.set(&token.blocked).await?;
        if prior.status == TrafficStatus::Enabled {
            // Else good pods alone in traffic would look as if others were missing.
            try_unlabel(self.labels.as_ref()).await;
        }
        Ok(())
    }

    async fn confirm_resumed(&self, prior: &TrafficState, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let token: DriverState = decode(self.driver(), prior)?;
        let seen = self.settle(end, |seen| seen.is_as(&token.blocked)).await?;
        if prior.status != TrafficStatus::Enabled {
            return Ok(seen.iter().map(ReplicaState::line).collect());
        }
        let mut lines = try_join_all(seen.iter().map(|seen| self.prove_answered(seen, end)))
            .await?
            .concat();
        let place = self.first(&seen)?;
        let gone = token.blocked.keys().filter_map(|id| place.gone(id));
        lines.extend(gone.map(|gone| format!("litellm: the pod of {gone} is gone, so it is left as it is")));
        Ok(lines)
    }

    fn enabled(&self, now: &TrafficState) -> Result<TrafficState, Failure> {
        let token: DriverState = decode(self.driver(), now)?;
        if token.blocked.is_empty() {
            return Err(Failure::refused(
                "no deployment of LiteLLM leads to this release, so there is none to unblock",
            )
            .next("point one at the release's Service: POST /model/update with its api_base"));
        }
        Ok(TrafficState {
            status: TrafficStatus::Enabled,
            token: encode(&DriverState {
                blocked: token.blocked.into_keys().map(|id| (id, false)).collect(),
            }),
            ..now.clone()
        })
    }

    async fn post_run_notes(&self) -> Vec<String> {
        Vec::from_iter(retained_pods::post_run_notes(self.labels.as_ref()).await)
    }
}
