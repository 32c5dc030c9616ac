//! The part of the cluster that a check may see: the release's pods, events and log tails, read-only.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::checks::ClusterView;
use vllm_rollback_objects::event::Event;
use vllm_rollback_objects::pod::{Container, LogOf, Pod};

use crate::events;
use crate::logs;
use crate::pods;
use crate::release::CurrentRelease;
use crate::view::{self, LiveWorkload};

#[async_trait]
impl ClusterView for CurrentRelease {
    async fn pods(&self) -> Result<Vec<Pod>, Failure> {
        let live = live(self).await?;
        let now = Timestamp::now();
        Ok(live
            .iter()
            .flat_map(|w| w.pods.iter().map(move |pod| snapshot(pod, w.target_hash(), now)))
            .collect())
    }

    async fn events(&self) -> Result<Vec<Event>, Failure> {
        let live = live(self).await?;
        let found = events::about(&self.cluster, &live).await?;
        Ok(found.iter().map(event).collect())
    }

    async fn log_tail(&self, pod: &str, container: &str, which: LogOf, lines: u32) -> Result<String, Failure> {
        let live = live(self).await?;
        let Some(found) = live.iter().flat_map(|w| &w.pods).find(|p| pods::name(p) == pod) else {
            return Err(Failure::refused(format!("the pod {pod} is not one of the release's")));
        };
        let namespace = pods::namespace(found);
        let previous = which == LogOf::Previous;
        logs::tail(&self.cluster, namespace, pod, container, previous, lines)
            .await
            .map_err(|e| e.into_failure(format!("cannot read the log of {pod} container {container}")))
    }
}

/// The workloads of the newest revision as they live.
async fn live(release: &CurrentRelease) -> Result<Vec<LiveWorkload>, Failure> {
    let manifest = release.current.record().await?.objects()?;
    view::read_all(&release.cluster, &manifest.workloads()).await
}

pub(crate) fn snapshot(pod: &Value, target: Option<&str>, now: Timestamp) -> Pod {
    let hash = pods::revision_hash(pod);
    Pod {
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

fn container(status: &Value) -> Container {
    let state = ["running", "waiting", "terminated"]
        .into_iter()
        .find(|word| !status["state"][word].is_null())
        .unwrap_or("waiting");
    let current = &status["state"][state];
    let last = &status["lastState"]["terminated"];
    let ended = if state == "terminated" { current } else { last };
    let text = |value: &Value| pods::text(value).to_owned();
    Container {
        name: text(&status["name"]),
        image: text(&status["image"]),
        ready: status["ready"] == true,
        restarts: status["restartCount"]
            .as_u64()
            .map_or(0, |n| u32::try_from(n).unwrap_or(0)),
        state: state.to_owned(),
        reason: text(&current["reason"]),
        exit_code: ended["exitCode"].as_i64().and_then(|code| i32::try_from(code).ok()),
    }
}

fn event(event: &Value) -> Event {
    let text = |value: &Value| pods::text(value).to_owned();
    Event {
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
