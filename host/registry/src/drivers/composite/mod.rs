//! Several registries at once: a row in a table and the worker list of a router, say. They are stopped in the order in
//! which they are named and put back in the reverse one, so that the outermost door, named first, opens last.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::{join_all, try_join_all};
use serde_json::Value;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::traffic::{Stop, TrafficState, TrafficStatus};
use vllm_rollback_engine::workload::ServingPod;

use crate::driver_state::{decode, encode};

/// The drivers, behind one port.
pub struct Composite {
    /// As `--registry` takes it: `postgres,service`.
    name: String,
    members: Vec<Box<dyn Registry>>,
}

impl Composite {
    /// These, stopped in this order.
    pub fn new(members: Vec<Box<dyn Registry>>) -> Self {
        let names: Vec<&str> = members.iter().map(|member| member.driver()).collect();
        Self {
            name: names.join(","),
            members,
        }
    }

    /// Each member with its part of a state.
    fn parts(&self, state: &TrafficState) -> Result<Vec<(&dyn Registry, TrafficState)>, Failure> {
        let parts: Vec<TrafficState> = decode(&self.name, state)?;
        Ok(self.members.iter().map(AsRef::as_ref).zip(parts).collect())
    }

    /// The state of all, which keeps that of each without the lines for people.
    fn state(&self, parts: &[TrafficState]) -> TrafficState {
        let mut token = encode(&parts);
        for part in token
            .as_array_mut()
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            part.remove("evidence");
        }
        TrafficState {
            driver: self.name.clone(),
            status: status(parts),
            endpoint: parts.iter().find_map(|part| part.endpoint.clone()),
            evidence: parts.iter().flat_map(|part| part.evidence.clone()).collect(),
            token,
        }
    }
}

/// Whoever lets the model in keeps it in traffic: only all of them together keep it out.
fn status(parts: &[TrafficState]) -> TrafficStatus {
    let any = |status: &TrafficStatus| parts.iter().any(|part| part.status == *status);
    match parts.first() {
        _ if any(&TrafficStatus::Enabled) => TrafficStatus::Enabled,
        _ if any(&TrafficStatus::Partial) => TrafficStatus::Partial,
        Some(first) if !any(&TrafficStatus::Disabled) => first.status.clone(),
        _ => TrafficStatus::Disabled,
    }
}

#[async_trait]
impl Registry for Composite {
    fn driver(&self) -> &str {
        &self.name
    }

    fn needs_client_side_rollback(&self) -> bool {
        self.members.iter().any(|member| member.needs_client_side_rollback())
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        let parts = try_join_all(self.members.iter().map(|member| member.read())).await?;
        Ok(self.state(&parts))
    }

    async fn preflight(&self) -> Result<(), Failure> {
        try_join_all(self.members.iter().map(|member| member.preflight())).await?;
        Ok(())
    }

    async fn assert_can_retain(&self) -> Result<(), Failure> {
        try_join_all(self.members.iter().map(|member| member.assert_can_retain())).await?;
        Ok(())
    }

    async fn retain(&self, pods: &[ServingPod]) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        for member in &self.members {
            lines.extend(member.retain(pods).await?);
        }
        Ok(lines)
    }

    async fn stop(&self, stop: &Stop<'_>) -> Result<(), WriteError> {
        let mut stopped = Vec::new();
        for (member, part) in self.parts(stop.prior).map_err(WriteError::Rejected)? {
            if !part.status.serves_traffic() {
                continue;
            }
            if let Err(error) = member.stop(&Stop { prior: &part, ..*stop }).await {
                return Err(match stopped.as_slice() {
                    [] => error,
                    before => error.map(|failure| failure.because(format!("stopped before it: {}", before.join(", ")))),
                });
            }
            stopped.push(part.driver);
        }
        Ok(())
    }

    async fn revert_partial_stop(&self, found: &TrafficState) -> Result<bool, WriteError> {
        for (member, part) in self.parts(found)?.into_iter().rev() {
            if part.status == TrafficStatus::Enabled && member.read().await?.token != part.token {
                member.restore(&part).await?;
            }
        }
        Ok(true)
    }

    async fn confirm_stopped(&self, stop: &Stop<'_>, deadline: Duration) -> Result<Vec<String>, Failure> {
        let parts = self.parts(stop.prior)?;
        let confirming = parts.iter().map(|(member, prior)| async move {
            let stop = Stop { prior, ..*stop };
            member.confirm_stopped(&stop, deadline).await
        });
        Ok(try_join_all(confirming).await?.concat())
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        for (member, part) in self.parts(prior).map_err(WriteError::Rejected)?.into_iter().rev() {
            if part.status == TrafficStatus::Enabled {
                member.restore(&part).await?;
            }
        }
        Ok(())
    }

    async fn confirm_resumed(&self, prior: &TrafficState, deadline: Duration) -> Result<Vec<String>, Failure> {
        let parts = self.parts(prior)?;
        let confirming = parts
            .iter()
            .map(|(member, part)| member.confirm_resumed(part, deadline));
        Ok(try_join_all(confirming).await?.concat())
    }

    fn enabled(&self, now: &TrafficState) -> Result<TrafficState, Failure> {
        let enabled = |(member, part): (&dyn Registry, TrafficState)| match part.status {
            TrafficStatus::Enabled => Ok(part),
            _ => member.enabled(&part),
        };
        let parts: Result<Vec<_>, _> = self.parts(now)?.into_iter().map(enabled).collect();
        Ok(TrafficState {
            evidence: now.evidence.clone(),
            ..self.state(&parts?)
        })
    }

    async fn post_run_notes(&self) -> Vec<String> {
        join_all(self.members.iter().map(|member| member.post_run_notes()))
            .await
            .concat()
    }
}

#[cfg(test)]
mod tests;
