//! vllm-router: the release's workers are taken off the worker list of every replica, and put back.
//!
//! What is true of vllm-router 0.1.17 (tried): each replica keeps a list of its own, in memory, and loses what was
//! changed when it restarts; a removal answers 200 for any URL, so only the list itself is believed; an addition blocks
//! until the worker is healthy; routing is blind to model names, and a replica without workers answers 503 in plain text
//! while its `/health` still says 200. A router that discovers pods by itself adds new ones before anybody checked them:
//! it is refused.

mod settings;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::ports::drivers::{PodLabels, ReleaseEndpoints, RouterClient};
use vllm_rollback_engine::traffic::{Keep, Stop, TrafficState, TrafficStatus};
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_objects::pod::PodEndpoint;
use vllm_rollback_objects::service::Service;

pub(crate) use settings::Settings;

use crate::driver_state::{decode, encode};
use crate::release_endpoints::{BackendKind, is_retained, leads_to};
use crate::retained_pods::{self, cannot_tell_apart, knows_none, status_where, try_unlabel};
use crate::router::{PAUSE, RouterAnswer, probe};
use workers::Worker;

/// With this, a router adds pods to its list by itself.
const DISCOVERY: &str = "--service-discovery";

/// The driver of a release; asks nobody yet.
pub struct VllmRouter {
    /// Client for every replica.
    pub client: Arc<dyn RouterClient>,
    /// Addresses of this release, against which workers are compared.
    pub endpoints: Arc<dyn ReleaseEndpoints>,
    /// Labels on good pods.
    pub labels: Arc<dyn PodLabels>,
    /// Model name that clients ask for.
    pub model: String,
}

/// Saved state: the workers of the release that each replica had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct DriverState {
    replicas: BTreeMap<String, BTreeSet<Worker>>,
}

impl DriverState {
    /// Workers that a replica is to have. All replicas serve the same models, so a replica that had none, or that is not in
    /// the saved state, lost its list in a restart: it gets the workers of all the others.
    fn workers_of(&self, replica: &str) -> BTreeSet<Worker> {
        match self.replicas.get(replica) {
            Some(workers) if !workers.is_empty() => workers.clone(),
            _ => self.all(),
        }
    }

    /// The replicas that had nothing while others had something.
    fn bare(&self) -> impl Iterator<Item = &String> {
        let is_any = !self.all().is_empty();
        let bare = self
            .replicas
            .iter()
            .filter(move |(_, workers)| is_any && workers.is_empty());
        bare.map(|(replica, _)| replica)
    }

    fn all(&self) -> BTreeSet<Worker> {
        self.replicas.values().flatten().cloned().collect()
    }
}

/// One replica's worker list of now.
struct ReplicaState {
    replica: String,
    own: BTreeSet<Worker>,
    /// Those of them that are pods with the mark.
    checked: BTreeSet<Worker>,
    others: Vec<String>,
}

impl ReplicaState {
    fn line(&self) -> String {
        let list = |urls: Vec<String>| match urls.as_slice() {
            [] => "none".to_owned(),
            urls => urls.join(", "),
        };
        let own = |worker: &Worker| match self.checked.contains(worker) {
            true => format!("{} (checked)", worker.url),
            false => worker.url.clone(),
        };
        format!(
            "vllm-router {}: workers of this release: {}; others: {}",
            self.replica,
            list(self.own.iter().map(own).collect()),
            list(self.others.clone()),
        )
    }

    /// Refuses a worker that is a Service: good and bad pods behind it cannot be distinguished.
    fn assert_pods(&self) -> Result<(), Failure> {
        let service = self.own.iter().find(|worker| worker.behind == BackendKind::Service);
        service.map_or(Ok(()), |worker| {
            Err(cannot_tell_apart(&format!("vllm-router {}", self.replica), &worker.url))
        })
    }

    /// The workers that a stop takes off.
    fn stops(&self, keep: Keep) -> Vec<&Worker> {
        let goes = |worker: &&Worker| keep == Keep::Nothing || !self.checked.contains(worker);
        self.own.iter().filter(goes).collect()
    }
}

/// The pods with the mark, and no others of the release, are listed.
fn are_alone(seen: &[ReplicaState]) -> bool {
    seen.iter().any(|seen| !seen.own.is_empty()) && seen.iter().all(|seen| seen.own == seen.checked)
}

impl VllmRouter {
    /// Every replica's list.
    async fn inspect(&self) -> Result<Vec<ReplicaState>, Failure> {
        let (services, pods) = self.ours().await?;
        self.look_for(&services, &pods).await
    }

    /// Services and pods of this release, against which workers are compared.
    async fn ours(&self) -> Result<(Vec<Service>, Vec<PodEndpoint>), Failure> {
        tokio::try_join!(self.endpoints.services(), self.endpoints.pods())
    }

    async fn look_for(&self, services: &[Service], pods: &[PodEndpoint]) -> Result<Vec<ReplicaState>, Failure> {
        let replicas = self.client.replicas().await?;
        let listing = replicas.into_iter().map(|replica| async move {
            self.assert_no_discovery(&replica).await?;
            let urls = workers::list(self.client.as_ref(), &replica).await?;
            let mut seen = ReplicaState {
                replica,
                own: BTreeSet::new(),
                checked: BTreeSet::new(),
                others: Vec::new(),
            };
            for url in urls {
                match Worker::of(&url, services, pods) {
                    Some(worker) => {
                        if is_retained(&url, pods) {
                            seen.checked.insert(worker.clone());
                        }
                        seen.own.insert(worker);
                    }
                    None => seen.others.push(url),
                }
            }
            Ok::<_, Failure>(seen)
        });
        try_join_all(listing).await
    }

    /// A router that finds pods by itself sends them requests as soon as they are ready, checked or not.
    async fn assert_no_discovery(&self, replica: &str) -> Result<(), Failure> {
        let arguments = self.client.arguments(replica).await?;
        if arguments.iter().all(|argument| !argument.starts_with(DISCOVERY)) {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "vllm-router {replica} runs with {DISCOVERY}: it adds pods by itself, before they are checked"
        ))
        .next("give it the release's Service as its worker instead: --worker-urls http://SERVICE.NAMESPACE:PORT")
        .next("then the Service gate works as well: --registry service"))
    }

    /// Each replica with the workers that it still lacks.
    async fn missing_workers(&self, token: &DriverState) -> Result<Vec<(String, Vec<String>)>, Failure> {
        let (services, pods) = self.ours().await?;
        let mut missing = Vec::new();
        for seen in self.look_for(&services, &pods).await? {
            let mut wanted = wanted(token, &seen.replica, &services, &pods);
            wanted.retain(|url| seen.own.iter().all(|worker| !worker.is_at(url)));
            if !wanted.is_empty() {
                missing.push((seen.replica, wanted));
            }
        }
        Ok(missing)
    }

    async fn add(&self, missing: &[(String, Vec<String>)]) -> Result<(), WriteError> {
        let each = missing
            .iter()
            .flat_map(|(replica, urls)| urls.iter().map(move |url| (replica, url)));
        let adding = each.map(|(replica, url)| workers::add(self.client.as_ref(), replica, url));
        WriteError::of_all(join_all(adding).await)
    }

    async fn remove(&self, seen: &[ReplicaState], keep: Keep) -> Result<(), WriteError> {
        let each = seen
            .iter()
            .flat_map(|seen| seen.stops(keep).into_iter().map(|worker| (&seen.replica, &worker.url)));
        let removing = each.map(|(replica, url)| workers::remove(self.client.as_ref(), replica, url));
        WriteError::of_all(join_all(removing).await)
    }

    /// A replica that has no worker at all must not answer; one that has others, or pods that are spared, answers by them.
    async fn prove_refused(&self, seen: &ReplicaState) -> Result<String, Failure> {
        let line = seen.line();
        if !seen.others.is_empty() || !seen.own.is_empty() {
            return Ok(line);
        }
        match probe(self.client.as_ref(), &seen.replica, &self.model).await? {
            answer @ RouterAnswer::Answered(_) => Err(Failure::invalid(format!(
                "vllm-router {} {answer} although it lists no worker",
                seen.replica
            ))
            .next("check that this is a vllm-router of version 0.1.17 or later")),
            answer => Ok(format!("{line}; a completion for {}: it {answer}", self.model)),
        }
    }

    async fn prove_answered(&self, replica: &str, end: Instant) -> Result<String, Failure> {
        loop {
            let answer = probe(self.client.as_ref(), replica, &self.model).await?;
            let line = format!("vllm-router {replica}: a completion for {}: it {answer}", self.model);
            if matches!(answer, RouterAnswer::Answered(_)) {
                return Ok(line);
            }
            if Instant::now() + PAUSE > end {
                return Err(
                    Failure::timeout(format!("vllm-router {replica} does not answer for {}", self.model)).because(line),
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[async_trait]
impl Registry for VllmRouter {
    fn driver(&self) -> &'static str {
        "vllm-router"
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        let seen = self.inspect().await?;
        // One replica that still has it lets traffic in: only all together keep it out.
        let status = if seen.iter().all(|seen| seen.own.is_empty()) {
            TrafficStatus::Disabled
        } else {
            status_where(are_alone(&seen))
        };
        Ok(TrafficState {
            driver: self.driver().to_owned(),
            status,
            evidence: seen.iter().map(ReplicaState::line).collect(),
            endpoint: seen
                .iter()
                .flat_map(|seen| &seen.own)
                .next()
                .map(|worker| worker.url.clone()),
            token: encode(&DriverState {
                replicas: seen.into_iter().map(|seen| (seen.replica, seen.own)).collect(),
            }),
        })
    }

    async fn preflight(&self) -> Result<(), Failure> {
        crate::router::preflight(Some(self.client.as_ref()), &self.model).await
    }

    async fn assert_can_retain(&self) -> Result<(), Failure> {
        self.inspect().await?.iter().try_for_each(ReplicaState::assert_pods)
    }

    async fn retain(&self, pods: &[ServingPod]) -> Result<Vec<String>, Failure> {
        let is_retained = |worker: &Worker| pods.iter().any(|pod| leads_to(&worker.url, pod));
        for seen in self.inspect().await? {
            seen.assert_pods()?;
            if !seen.own.is_empty() && !seen.own.iter().any(is_retained) {
                return Err(knows_none(&format!("vllm-router {}", seen.replica), pods));
            }
        }
        retained_pods::label(self.labels.as_ref(), pods).await
    }

    async fn stop(&self, stop: &Stop<'_>) -> Result<(), WriteError> {
        decode::<DriverState>(self.driver(), stop.prior).map_err(WriteError::Rejected)?;
        let seen = self.inspect().await.map_err(WriteError::Rejected)?;
        self.remove(&seen, stop.keep).await?;
        if stop.keep == Keep::Nothing {
            try_unlabel(self.labels.as_ref()).await;
        }
        Ok(())
    }

    async fn revert_partial_stop(&self, found: &TrafficState) -> Result<bool, WriteError> {
        if found.status != TrafficStatus::Enabled {
            return Ok(false);
        }
        // No pod was touched yet, so the same workers come back, and no others.
        let token: DriverState = decode(self.driver(), found)?;
        let mut missing = Vec::new();
        for seen in self.inspect().await? {
            let had = token.replicas.get(&seen.replica).into_iter().flatten();
            let lost = had.filter(|worker| !seen.own.contains(*worker));
            missing.push((seen.replica.clone(), lost.map(|worker| worker.url.clone()).collect()));
        }
        self.add(&missing).await?;
        try_unlabel(self.labels.as_ref()).await;
        Ok(true)
    }

    async fn confirm_stopped(&self, stop: &Stop<'_>, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let mut lines = Vec::new();
        loop {
            let seen = self.inspect().await?;
            let is_out = |seen: &ReplicaState| seen.stops(stop.keep).is_empty();
            if seen.iter().all(is_out) {
                lines.extend(try_join_all(seen.iter().map(|seen| self.prove_refused(seen))).await?);
                return Ok(lines);
            }
            if Instant::now() + PAUSE > end {
                return Err(Failure::timeout(
                    "a vllm-router still has workers of this release, or gets them again and again",
                )
                .because(seen.iter().map(ReplicaState::line).collect::<Vec<_>>().join("; "))
                .next("check what adds them: a script, or --service-discovery of the router"));
            }
            // A replica that was restarted has what it was started with.
            self.remove(&seen, stop.keep).await?;
            for seen in seen.iter().filter(|seen| !is_out(seen)) {
                let urls: Vec<&str> = seen.stops(stop.keep).iter().map(|worker| worker.url.as_str()).collect();
                let line = format!("fixed: {}: it had {} again", seen.replica, urls.join(", "));
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        let token: DriverState = decode(self.driver(), prior).map_err(WriteError::Rejected)?;
        if prior.status != TrafficStatus::Enabled {
            return self.stop(&Stop::new(prior, Keep::Nothing)).await;
        }
        self.add(&self.missing_workers(&token).await.map_err(WriteError::Rejected)?)
            .await?;
        // Else good pods alone in traffic would look as if others were missing.
        try_unlabel(self.labels.as_ref()).await;
        Ok(())
    }

    async fn confirm_resumed(&self, prior: &TrafficState, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let token: DriverState = decode(self.driver(), prior)?;
        if prior.status != TrafficStatus::Enabled {
            return self.confirm_stopped(&Stop::new(prior, Keep::Nothing), deadline).await;
        }
        let fixed = |replica: &String| format!("fixed: {replica} had none of the workers that the others have");
        let mut lines: Vec<String> = token.bare().map(fixed).collect();
        loop {
            let missing = self.missing_workers(&token).await?;
            if missing.is_empty() {
                break;
            }
            let which: Vec<String> = missing
                .iter()
                .map(|(replica, urls)| format!("{replica} lacks {}", urls.join(", ")))
                .collect();
            if Instant::now() + PAUSE > end {
                return Err(Failure::timeout("a vllm-router lacks workers of this release").because(which.join("; ")));
            }
            // A replica that was restarted lost what it had.
            self.add(&missing).await?;
            lines.push(format!("fixed: {}", which.join("; ")));
        }
        let seen = self.inspect().await?;
        lines.extend(seen.iter().map(ReplicaState::line));
        let proving = seen.iter().map(|seen| self.prove_answered(&seen.replica, end));
        lines.extend(try_join_all(proving).await?);
        Ok(lines)
    }

    async fn post_run_notes(&self) -> Vec<String> {
        Vec::from_iter(retained_pods::post_run_notes(self.labels.as_ref()).await)
    }
}

/// The workers that a replica is to have again: those of before, and where one of their pods is gone every pod that serves now.
fn wanted(token: &DriverState, replica: &str, services: &[Service], pods: &[PodEndpoint]) -> Vec<String> {
    let saved = token.workers_of(replica);
    if saved.is_empty() && token.all().is_empty() {
        // An operator enables a model whose workers were never saved: the way that other clients take.
        let urls = services.iter().flat_map(Service::endpoints).take(1);
        return urls.map(|endpoint| format!("http://{endpoint}")).collect();
    }
    let is_there = |worker: &Worker| {
        worker.behind == BackendKind::Service || pods.iter().any(|pod| pod.ready && pod.is_at(&worker.url))
    };
    let (there, gone): (Vec<&Worker>, Vec<&Worker>) = saved.iter().partition(|worker| is_there(worker));
    let mut urls: Vec<String> = there.iter().map(|worker| worker.url.clone()).collect();
    for worker in gone {
        let serving = pods.iter().filter(|pod| pod.serving);
        urls.extend(serving.filter_map(|pod| worker.at(&pod.ip)));
    }
    urls.sort();
    urls.dedup();
    urls
}

#[cfg(test)]
mod tests;
