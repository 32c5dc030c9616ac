//! What is known of the bad revision, gathered in a few seconds: a failure of one part leaves the others.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use vllm_rollback_engine::workload::EvidenceItem;
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::pod::Pod;
use vllm_rollback_objects::redaction;

use crate::connect::Cluster;
use crate::events;
use crate::logs;
use crate::pod_http::PodHttp;
use crate::pods::{self, list};
use crate::snapshot::snapshot;
use crate::view::{self, LiveWorkload};

/// For all of it.
const WAIT: Duration = Duration::from_secs(3);
/// Lines of each log.
const LINES: u32 = 500;
/// Pods whose logs and metrics are read.
const PODS: usize = 8;
/// For one page of metrics.
const READ: Duration = Duration::from_secs(2);

pub(crate) async fn gather(cluster: &Cluster, manifest: &Manifest) -> Vec<EvidenceItem> {
    let workloads = manifest.workloads();
    let reads = workloads.iter().map(|w| view::read(cluster, w));
    let Ok(live) = tokio::time::timeout(WAIT, futures::future::join_all(reads)).await else {
        return vec![item("pods.json", "the cluster did not answer in time".to_owned())];
    };
    let live: Vec<LiveWorkload> = live.into_iter().filter_map(|read| read.ok().flatten()).collect();
    let mut items = vec![item("pods.json", pods_json(&live))];
    let (events, logs, metrics) = futures::join!(
        bounded(events_text(cluster, &live)),
        bounded(all_logs(cluster, &live)),
        bounded(all_metrics(cluster, manifest, &live)),
    );
    items.extend(events.flatten());
    items.extend(logs.into_iter().flatten());
    items.extend(metrics.into_iter().flatten());
    items
}

async fn bounded<T>(part: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(WAIT, part).await.ok()
}

fn item(name: impl Into<String>, content: String) -> EvidenceItem {
    EvidenceItem {
        name: name.into(),
        content,
    }
}

/// Statuses and what identifies the pods. Environment and arguments stay out: they may hold secrets.
fn pods_json(live: &[LiveWorkload]) -> String {
    let now = Timestamp::now();
    let workloads: Vec<Value> = live
        .iter()
        .map(|w| {
            let pods: Vec<Value> = w.pods.iter().map(|pod| pod_json(pod, w.target_hash(), now)).collect();
            json!({ "workload": w.label, "status": w.object["status"], "pods": pods })
        })
        .collect();
    let text = serde_json::to_string_pretty(&workloads).unwrap_or_default();
    redaction::text(&text)
}

fn pod_json(pod: &Value, target: Option<&str>, now: Timestamp) -> Value {
    let Pod {
        of_target, age_seconds, ..
    } = snapshot(pod, target, now);
    let containers: Vec<Value> = list(&pod["spec"]["containers"])
        .iter()
        .map(|c| json!({ "name": c["name"], "image": c["image"], "resources": c["resources"], "ports": c["ports"] }))
        .collect();
    json!({
        "name": pods::name(pod),
        "uid": pods::uid(pod),
        "revision_hash": pods::revision_hash(pod),
        "of_newest_revision": of_target,
        "age_seconds": age_seconds,
        "node": pod["spec"]["nodeName"],
        "containers": containers,
        "status": pod["status"],
    })
}

async fn events_text(cluster: &Cluster, live: &[LiveWorkload]) -> Option<EvidenceItem> {
    let found = events::about(cluster, live).await.ok()?;
    let lines: Vec<String> = found
        .iter()
        .map(|event| {
            format!(
                "{} {} {} x{} {}: {}",
                events::last_seen(event),
                event["type"].as_str().unwrap_or("?"),
                events::object(event),
                events::count(event),
                event["reason"].as_str().unwrap_or("?"),
                event["message"].as_str().unwrap_or_default()
            )
        })
        .collect();
    Some(item("events.txt", redaction::text(&(lines.join("\n") + "\n"))))
}

async fn all_logs(cluster: &Cluster, live: &[LiveWorkload]) -> Vec<EvidenceItem> {
    let mut wanted = Vec::new();
    for pod in live.iter().flat_map(|w| &w.pods).take(PODS) {
        for status in pods::container_statuses(pod) {
            let container = pods::text(&status["name"]);
            if !status["state"]["running"].is_null() || !status["state"]["terminated"].is_null() {
                wanted.push((pod, container, false));
            }
            if !status["lastState"]["terminated"].is_null() {
                wanted.push((pod, container, true));
            }
        }
    }
    let reads = wanted.into_iter().map(|(pod, container, previous)| async move {
        let namespace = pods::namespace(pod);
        let name = pods::name(pod);
        let log = logs::tail(cluster, namespace, name, container, previous, LINES).await;
        let suffix = if previous { ".previous" } else { "" };
        let path = format!("logs/{name}.{container}{suffix}.log");
        Some(item(path, redaction::text(&log.ok()?)))
    });
    futures::future::join_all(reads).await.into_iter().flatten().collect()
}

async fn all_metrics(cluster: &Cluster, manifest: &Manifest, live: &[LiveWorkload]) -> Vec<EvidenceItem> {
    let http = PodHttp::new(cluster.clone());
    let mut wanted = Vec::new();
    for (workload, live) in view::among(live, &manifest.serving_workloads()) {
        let port = manifest.serving_port(workload);
        let running = live.pods.iter().filter(|p| pods::phase(p) == "Running");
        wanted.extend(running.take(PODS).map(|p| (p, port)));
    }
    let reads = wanted.into_iter().map(async |(pod, port)| {
        let name = pods::name(pod);
        let answer = http.get(name, port, "/metrics", READ).await.ok()?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Some(item(format!("metrics/{name}.txt"), text))
    });
    futures::future::join_all(reads).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_environment_and_arguments_are_not_kept() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "vllm", "image": "i", "args": ["--api-key", "canary"], "env": [{"name": "A", "value": "canary"}]}]},
            "status": {"phase": "Running"}});
        let kept = pod_json(&pod, None, Timestamp::now()).to_string();
        assert!(kept.contains("Running") && kept.contains("\"image\":\"i\""));
        assert!(!kept.contains("canary"), "{kept}");
    }
}
