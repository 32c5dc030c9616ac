//! What a check may see of the cluster: the release's pods, events and log tails, read-only.

use jiff::Timestamp;
use serde_json::Value;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::release::ReleaseRecord;

use crate::connect::Cluster;
use crate::events;
use crate::logs;
use crate::manifest::Manifest;
use crate::pods;
use crate::view::{self, LiveWorkload};

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSnapshot {
    /// Name.
    pub name: String,
    /// Image, as the spec names it.
    pub image: String,
    /// Readiness.
    pub ready: bool,
    /// Number of times it was restarted.
    pub restarts: u32,
    /// `running`, `waiting` or `terminated`.
    pub state: String,
    /// `CrashLoopBackOff`, `OOMKilled`, … or empty.
    pub reason: String,
    /// Exit code of the current or, when it runs again, of the last termination.
    pub exit_code: Option<i32>,
}

/// A pod of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSnapshot {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// One value for all pods of a revision.
    pub revision_hash: String,
    /// Tells whether it belongs to the revision that its controller works towards.
    pub of_target: bool,
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// The Ready condition.
    pub ready: bool,
    /// Tells whether it has a deletion timestamp.
    pub terminating: bool,
    /// Containers.
    pub containers: Vec<ContainerSnapshot>,
    /// Seconds since it was created.
    pub age_seconds: u64,
}

/// An event about an object of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSnapshot {
    /// `Pod/llama-…`.
    pub object: String,
    /// `BackOff`, `Unhealthy`, …
    pub reason: String,
    /// The event's text.
    pub message: String,
    /// Number of times it was seen.
    pub count: u32,
    /// Type `Warning`.
    pub warning: bool,
}

/// Reads the release's part of the cluster.
#[derive(Clone)]
pub struct ReleaseView {
    cluster: Cluster,
    manifest: Manifest,
}

impl ReleaseView {
    /// A view of the workloads in this record's manifest.
    ///
    /// # Errors
    /// `Invalid` when the manifest cannot be read.
    pub fn new(cluster: Cluster, record: &ReleaseRecord) -> Result<Self, Failure> {
        let manifest = Manifest::of(record)?;
        Ok(Self { cluster, manifest })
    }

    /// All pods of the release's workloads, whatever revision.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    pub async fn pods(&self) -> Result<Vec<PodSnapshot>, Failure> {
        let now = Timestamp::now();
        let live = self.live().await?;
        Ok(live
            .iter()
            .flat_map(|w| w.pods.iter().map(|pod| snapshot(pod, w.target_hash(), now)))
            .collect())
    }

    /// Events about the release's workloads, their revisions and their pods, oldest first.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    pub async fn events(&self) -> Result<Vec<EventSnapshot>, Failure> {
        let live = self.live().await?;
        let found = events::about(&self.cluster, &live).await?;
        Ok(found.iter().map(event).collect())
    }

    /// The last lines (at most 500, 64 KiB) of a container of one of the release's pods.
    ///
    /// # Errors
    /// `Refused` for a pod of somebody else; `NotFound`, `Forbidden`, `Unreachable`.
    pub async fn log_tail(&self, pod: &str, container: &str, previous: bool, lines: u32) -> Result<String, Failure> {
        let live = self.live().await?;
        let Some(found) = live.iter().flat_map(|w| &w.pods).find(|p| pods::name(p) == pod) else {
            return Err(Failure::new(
                FailureKind::Refused,
                format!("the pod {pod} is not one of the release's"),
            ));
        };
        let namespace = found["metadata"]["namespace"]
            .as_str()
            .unwrap_or(self.cluster.namespace());
        logs::tail(&self.cluster, namespace, pod, container, previous, lines)
            .await
            .map_err(|e| e.into_failure(format!("cannot read the log of {pod} container {container}")))
    }

    async fn live(&self) -> Result<Vec<LiveWorkload>, Failure> {
        view::read_all(&self.cluster, &self.manifest.workloads()).await
    }
}

pub(crate) fn snapshot(pod: &Value, target: Option<&str>, now: Timestamp) -> PodSnapshot {
    let hash = pods::revision_hash(pod);
    PodSnapshot {
        name: pods::name(pod).to_owned(),
        uid: pods::uid(pod).to_owned(),
        revision_hash: hash.to_owned(),
        of_target: target == Some(hash),
        phase: pods::phase(pod).to_owned(),
        ready: pods::is_ready(pod),
        terminating: pods::is_terminating(pod),
        containers: pods::container_statuses(pod).map(container).collect(),
        age_seconds: pods::age_seconds(&pod["metadata"]["creationTimestamp"], now),
    }
}

fn container(status: &Value) -> ContainerSnapshot {
    let state = ["running", "waiting", "terminated"]
        .into_iter()
        .find(|word| !status["state"][word].is_null())
        .unwrap_or("waiting");
    let current = &status["state"][state];
    let last = &status["lastState"]["terminated"];
    let ended = if state == "terminated" { current } else { last };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ContainerSnapshot {
        name: text(&status["name"]),
        image: text(&status["image"]),
        ready: status["ready"] == true,
        restarts: status["restartCount"]
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0),
        state: state.to_owned(),
        reason: text(&current["reason"]),
        exit_code: ended["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()),
    }
}

fn event(event: &Value) -> EventSnapshot {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    EventSnapshot {
        object: events::object(event),
        reason: text(&event["reason"]),
        message: text(&event["message"]),
        count: events::count(event),
        warning: event["type"] == "Warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_waiting_container_shows_the_exit_code_of_its_last_run() {
        let status = json!({"name": "vllm", "restartCount": 3, "ready": false,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}});
        let container = container(&status);
        assert_eq!(container.state, "waiting");
        assert_eq!(container.reason, "CrashLoopBackOff");
        assert_eq!((container.exit_code, container.restarts), (Some(137), 3));
    }
}
