//! The Service gate: the release's Services select no pod until they are released.
//!
//! A foreign key in a Service's selector empties its EndpointSlices, and needs no other infrastructure. It holds through
//! `helm rollback`: Helm 3's three-way merge keeps foreign keys; Helm 4 has to be told `--server-side=false`, since the
//! selector is one atomic field to server-side apply and the rollback would fail with a conflict (tried with helm 3.22.0
//! and 4.3.1 on Kubernetes 1.35). Connections that are open already stay open: those are drained, not cut.
//!
//! The selector can also ask for a value that good pods carry as a label: then those stay in traffic, and pods that come later
//! do not get any, whatever they run. A selector by `pod-template-hash` would let new pods in before they were checked.

mod settings;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::ports::drivers::{ServiceSelectors, Wanted};
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_engine::traffic::{Keep, Stop, TrafficState, TrafficStatus};
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_objects::pod::RETAINED_LABEL;
use vllm_rollback_objects::service::Gate;

pub(crate) use settings::Settings;

use crate::driver_state::{decode, encode};
use crate::retained_pods::{self, try_unlabel};

/// Value of the gate's selector key while it is closed.
pub const CLOSED: &str = "closed";

/// The driver.
pub struct ServiceGate {
    release: ReleaseRef,
    services: Arc<dyn ServiceSelectors>,
}

/// Saved state: the gate of each Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DriverState {
    services: Vec<Remembered>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    name: String,
    gate: Option<String>,
}

impl ServiceGate {
    /// The gate of a release.
    pub fn new(release: ReleaseRef, services: Arc<dyn ServiceSelectors>) -> Self {
        Self { release, services }
    }

    /// The release's Services that can be gated, all of them its own.
    async fn all(&self) -> Result<Vec<(String, Gate)>, Failure> {
        let names = self.services.names().await?;
        let gates = try_join_all(names.iter().map(|name| self.services.read(name))).await?;
        let mut found = Vec::with_capacity(names.len());
        for (name, gate) in names.into_iter().zip(gates) {
            // A Service without selector selects nothing, so there is nothing to close.
            let Some(gate) = gate.filter(|gate| !gate.selector.is_empty()) else {
                continue;
            };
            if let Some(owner) = gate.release.as_ref().filter(|owner| **owner != self.release) {
                return Err(Failure::refused(format!(
                    "Service/{name} selects pods of {} but belongs to release {owner}",
                    self.release
                ))
                .because("to close its gate would take another release out of traffic")
                .next(format!(
                    "kubectl get service {name} -n {} -o yaml",
                    self.release.namespace
                ))
                .next("use another registry: --registry postgres or --registry none"));
            }
            found.push((name, gate));
        }
        Ok(found)
    }

    /// As [`Self::all`], at least one.
    async fn found(&self) -> Result<Vec<(String, Gate)>, Failure> {
        let found = self.all().await?;
        if found.is_empty() {
            return Err(
                Failure::refused(format!("release {} has no Service that selects its pods", self.release))
                    .because("the service gate takes a model out of traffic by its Services")
                    .next("use another registry: --registry postgres")
                    .next("or leave traffic alone: --registry none"),
            );
        }
        Ok(found)
    }

    /// Gates to restore: the saved ones, and those of Services that came with another revision since. Only this tool
    /// closes those, so they are opened where the model was enabled.
    async fn to_restore(&self, prior: &TrafficState) -> Result<Vec<Remembered>, Failure> {
        let mut services = decode::<DriverState>(self.driver(), prior)?.services;
        for (name, gate) in self.all().await? {
            if services.iter().all(|known| known.name != name) {
                let gate = gate.value.filter(|_| prior.status != TrafficStatus::Enabled);
                services.push(Remembered { name, gate });
            }
        }
        Ok(services)
    }

    /// Closes it, whatever its selector is by now, and tells whether it had led to retained pods. One that is gone has no endpoints.
    async fn close(&self, name: &str, keep: Keep) -> Result<bool, WriteError> {
        let Some(gate) = self.services.read(name).await.map_err(WriteError::Rejected)? else {
            return Ok(false);
        };
        match (gate.value.as_deref(), keep) {
            (None, Keep::RetainedPods) => self.services.close(name, RETAINED_LABEL).await?,
            (None | Some(RETAINED_LABEL), Keep::Nothing) => self.services.close(name, CLOSED).await?,
            (Some(_), _) => return Ok(false),
        }
        Ok(is_narrowed(&gate))
    }

    /// Sets its gate as it was, and tells whether it had led to retained pods.
    async fn put_back(&self, service: &Remembered) -> Result<bool, WriteError> {
        // A Service that only the bad revision had went away with it.
        let Some(now) = self.services.read(&service.name).await? else {
            return Ok(false);
        };
        match &service.gate {
            gate if *gate == now.value => return Ok(false),
            None => self.services.open(&service.name).await?,
            Some(value) => self.services.close(&service.name, value).await?,
        }
        Ok(is_narrowed(&now))
    }

    /// Takes the labels off once every gate that asked for them is written: a Service that still asks for them would lose its pods.
    async fn unlabel_after(&self, written: Vec<Result<bool, WriteError>>) -> Result<(), WriteError> {
        let was_narrowed = written.iter().any(|was_narrowed| matches!(was_narrowed, Ok(true)));
        WriteError::of_all(written.into_iter().map(|written| written.map(drop)))?;
        if was_narrowed {
            try_unlabel(self.services.as_ref()).await;
        }
        Ok(())
    }

    async fn confirm_closed(&self, name: &str, gate: &Gate, keep: Keep, end: Instant) -> Result<String, Failure> {
        let Some(value) = &gate.value else {
            return Err(Failure::conflict(format!("the gate of Service/{name} is open"))
                .because("somebody opened it, or the Service was created again")
                .next(format!(
                    "kubectl get service {name} -n {} --show-managed-fields -o yaml",
                    self.release.namespace
                )));
        };
        let keeps = keep == Keep::RetainedPods && value == RETAINED_LABEL;
        let (names, uids): (Vec<String>, Vec<String>) = if keeps {
            self.services.retained().await?.into_iter().unzip()
        } else {
            (Vec::new(), Vec::new())
        };
        let ready = self.services.wait(name, left(end), Wanted::NoneBut(uids)).await?;
        let but = match ready.as_slice() {
            [] => "0 ready endpoints".to_owned(),
            ready => format!("only pods that were checked: {} of {}", ready.len(), names.join(", ")),
        };
        Ok(format!("Service/{name}: gate {value}, its EndpointSlices hold {but}"))
    }

    /// The line of evidence, and whether the Service serves.
    async fn confirm_restored(
        &self,
        service: &Remembered,
        status: &TrafficStatus,
        end: Instant,
    ) -> Result<(String, bool), Failure> {
        let name = &service.name;
        let Some(now) = self.services.read(name).await? else {
            return Ok((
                format!("Service/{name}: the revision that is current now has none"),
                false,
            ));
        };
        if now.value != service.gate {
            return Err(changed(name, &format!("its gate is {}", word(now.value.as_deref()))));
        }
        let managers = now.managers.join(", ");
        let gate = word(service.gate.as_deref());
        if service.gate.is_some() || *status != TrafficStatus::Enabled {
            return Ok((
                format!("Service/{name}: gate {gate}, as before; managers {managers}"),
                false,
            ));
        }
        let ready = self.services.wait(name, left(end), Wanted::Some).await?;
        let line = format!(
            "Service/{name}: gate {gate}, {} ready endpoints ({}); managers {managers}",
            ready.len(),
            ready.join(", ")
        );
        Ok((line, true))
    }
}

#[async_trait]
impl Registry for ServiceGate {
    fn driver(&self) -> &'static str {
        "service"
    }

    fn needs_client_side_rollback(&self) -> bool {
        true
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        let found = self.found().await?;
        // Partly closed still lets traffic in: only all gates together keep it out.
        let has = |value: Option<&str>| found.iter().any(|(_, gate)| gate.value.as_deref() == value);
        let status = match (has(None), has(Some(RETAINED_LABEL))) {
            (true, _) => TrafficStatus::Enabled,
            (false, true) => TrafficStatus::Partial,
            (false, false) => TrafficStatus::Disabled,
        };
        let evidence = found
            .iter()
            .map(|(name, gate)| format!("Service/{name}: gate {}", word(gate.value.as_deref())));
        Ok(TrafficState {
            driver: self.driver().to_owned(),
            status,
            evidence: evidence.collect(),
            endpoint: None,
            token: encode(&DriverState {
                services: found
                    .into_iter()
                    .map(|(name, gate)| Remembered { name, gate: gate.value })
                    .collect(),
            }),
        })
    }

    async fn assert_can_retain(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn retain(&self, pods: &[ServingPod]) -> Result<Vec<String>, Failure> {
        retained_pods::label(self.services.as_ref(), pods).await
    }

    async fn stop(&self, stop: &Stop<'_>) -> Result<(), WriteError> {
        // Those that exist now too: a revision may have brought one that nobody knew when the state was read.
        let restore = self.to_restore(stop.prior).await.map_err(WriteError::Rejected)?;
        let closing = restore.iter().map(|service| self.close(&service.name, stop.keep));
        self.unlabel_after(join_all(closing).await).await
    }

    async fn confirm_stopped(&self, stop: &Stop<'_>, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let found = self.found().await?;
        try_join_all(
            found
                .iter()
                .map(|(name, gate)| self.confirm_closed(name, gate, stop.keep, end)),
        )
        .await
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        let restore = self.to_restore(prior).await.map_err(WriteError::Rejected)?;
        let restoring = restore.iter().map(|service| self.put_back(service));
        self.unlabel_after(join_all(restoring).await).await
    }

    async fn confirm_resumed(&self, prior: &TrafficState, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let restore = self.to_restore(prior).await?;
        let confirming = restore
            .iter()
            .map(|service| self.confirm_restored(service, &prior.status, end));
        let (lines, serving): (Vec<String>, Vec<bool>) = try_join_all(confirming).await?.into_iter().unzip();
        if prior.status == TrafficStatus::Enabled && !serving.contains(&true) {
            return Err(Failure::invalid(format!(
                "no Service of release {} serves, although it was enabled before",
                self.release
            ))
            .because(lines.join("; "))
            .next(format!(
                "kubectl get services,endpointslices -n {}",
                self.release.namespace
            )));
        }
        Ok(lines)
    }

    fn enabled(&self, now: &TrafficState) -> Result<TrafficState, Failure> {
        let mut token: DriverState = decode(self.driver(), now)?;
        for service in &mut token.services {
            service.gate = None;
        }
        Ok(TrafficState {
            status: TrafficStatus::Enabled,
            token: encode(&token),
            ..now.clone()
        })
    }

    async fn post_run_notes(&self) -> Vec<String> {
        match self.services.turned_client_side().await {
            Ok(false) => Vec::new(),
            Ok(true) => vec![format!(
                "Helm wrote this revision client-side, because the closed Service gate owned a field; later upgrades stay \
                 client-side until one is run with the flag that brings server-side apply back: helm upgrade {} … -n {} \
                 --server-side=true",
                self.release.name, self.release.namespace
            )],
            Err(failure) => vec![format!(
                "cannot find out whether Helm changed its apply method: {failure}"
            )],
        }
    }
}

/// Tells whether it leads to retained pods alone.
fn is_narrowed(gate: &Gate) -> bool {
    gate.value.as_deref() == Some(RETAINED_LABEL)
}

fn word(gate: Option<&str>) -> &str {
    gate.unwrap_or("open")
}

fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

fn changed(service: &str, how: &str) -> Failure {
    Failure::conflict(format!("Service/{service} was changed by somebody else: {how}"))
        .next(format!("kubectl get service {service} --show-managed-fields -o yaml"))
}

#[cfg(test)]
mod tests;
