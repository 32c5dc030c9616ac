//! Whether the nodes have room for the pods that a rollout adds before it may remove others.
//!
//! A Deployment that may not be short of a pod (`maxUnavailable` 0, which 25 % of 1 replica rounds to) must start a new pod
//! beside the old ones. Pods of the bad revision keep their GPUs until then, crash loop or not, so the rollout can wait for
//! ever.

use std::collections::BTreeMap;

use serde_json::Value;
use vllm_rollback_engine::workload::{Finding, Severity};
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::quantity::Quantity;
use vllm_rollback_objects::workload::{Workload, WorkloadKind};

use crate::api::{ApiError, Listed};
use crate::connect::Cluster;
use crate::pods::{self, list, text};
use crate::view::{self, LiveWorkload};

/// Extended resources, in whole units.
type Units = BTreeMap<String, i128>;

/// A node's free extended resources.
#[derive(Debug, Clone)]
struct Node {
    free: Units,
    labels: Value,
    taints: Value,
    /// Nodes of this pool come and go by an autoscaler.
    elastic: bool,
}

pub(super) async fn inspect(
    cluster: &Cluster,
    target: &Manifest,
    live: &[LiveWorkload],
    nodes: &Result<Listed, ApiError>,
) -> Vec<Finding> {
    let workloads = target.workloads();
    let mut asking: Vec<&Workload<'_>> = workloads.iter().collect();
    asking.retain(|w| !requests(w.pod_spec()).is_empty());
    if asking.is_empty() {
        return vec![Finding::ok("gpu-room", "the target's pods ask for no GPU")];
    }
    let query = [("fieldSelector", "status.phase!=Succeeded,status.phase!=Failed")];
    let running = cluster.api().list("/api/v1/pods", &query).await;
    let (nodes, running) = match (nodes, &running) {
        (Ok(nodes), Ok(running)) => (&nodes.items, &running.items),
        (Err(error), _) | (_, Err(error)) => {
            let text = format!("cannot see what is free on the nodes: {}", error.text());
            return vec![Finding::unknown("gpu-room", text)];
        }
    };
    let nodes = free_nodes(nodes, running);
    asking
        .into_iter()
        .map(|w| evaluate(w, view::of(live, w.object), &nodes))
        .collect()
}

/// Amounts that a pod needs of resources whose names have a domain; cpu and memory can be had by waiting, GPUs cannot.
fn requests(spec: &Value) -> Units {
    let mut sum = Units::new();
    for container in list(&spec["containers"]) {
        let resources = &container["resources"];
        // For extended resources limits and requests are equal; either alone is enough.
        let asked = if resources["limits"].is_object() {
            &resources["limits"]
        } else {
            &resources["requests"]
        };
        for (name, amount) in asked.as_object().into_iter().flatten().filter(|(n, _)| n.contains('/')) {
            *sum.entry(name.clone()).or_default() += units(amount);
        }
    }
    sum.retain(|_, amount| *amount > 0);
    sum
}

fn units(amount: &Value) -> i128 {
    Quantity::read(amount).map_or(0, Quantity::units)
}

fn free_nodes(nodes: &[Value], running: &[Value]) -> Vec<Node> {
    let free = |node: &Value| {
        let name = pods::name(node);
        let mut free: Units = node["status"]["allocatable"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(resource, _)| resource.contains('/'))
            .map(|(resource, amount)| (resource.clone(), units(amount)))
            .collect();
        for pod in running.iter().filter(|p| p["spec"]["nodeName"] == name) {
            for (resource, amount) in requests(&pod["spec"]) {
                *free.entry(resource).or_default() -= amount;
            }
        }
        free
    };
    nodes
        .iter()
        .filter(|node| node["spec"]["unschedulable"] != true && pods::is_ready(node))
        .map(|node| Node {
            free: free(node),
            labels: node["metadata"]["labels"].clone(),
            taints: node["spec"]["taints"].clone(),
            elastic: is_elastic(node),
        })
        .collect()
}

fn is_elastic(node: &Value) -> bool {
    let labels = node["metadata"]["labels"].as_object();
    let pools = [
        "karpenter.sh/",
        "eks.amazonaws.com/nodegroup",
        "cloud.google.com/gke-nodepool",
        "kubernetes.azure.com/agentpool",
    ];
    labels.is_some_and(|l| l.keys().any(|key| pools.iter().any(|pool| key.starts_with(pool))))
}

/// The node takes the pod as far as its selector and taints go.
fn admits(node: &Node, spec: &Value) -> bool {
    let mut selector = spec["nodeSelector"].as_object().into_iter().flatten();
    let selected = selector.all(|(key, value)| node.labels.get(key) == Some(value));
    let tolerates = |taint: &Value| {
        list(&spec["tolerations"]).iter().any(|t| {
            let fits = |field: &str| text(&t[field]).is_empty() || taint[field] == t[field];
            fits("key") && fits("effect")
        })
    };
    let tainted = node.taints.as_array().into_iter().flatten();
    selected && tainted.filter(|t| t["effect"] != "PreferNoSchedule").all(tolerates)
}

/// Number of such pods that fit beside what runs now.
fn fits(nodes: &[Node], spec: &Value) -> i128 {
    let asked = requests(spec);
    let on = |node: &Node| {
        let room = asked
            .iter()
            .map(|(name, amount)| node.free.get(name).copied().unwrap_or(0).max(0) / amount);
        room.min().unwrap_or(0)
    };
    nodes.iter().filter(|node| admits(node, spec)).map(on).sum()
}

fn evaluate(workload: &Workload<'_>, live: Option<&LiveWorkload>, nodes: &[Node]) -> Finding {
    let spec = workload.pod_spec();
    let label = workload.object.label();
    let asked = requests(spec);
    let asked: Vec<String> = asked.iter().map(|(name, n)| format!("{n} {name}")).collect();
    let asked = asked.join(" and ");
    let free = fits(nodes, spec);
    let own = live.map_or(0, |l| replaceable(l, workload));
    let replicas = i128::from(workload.replicas());
    let standing = live.map_or(0, |l| standing(l, workload));
    let lacking = (replicas - standing).max(0);
    let room = format!("{label}: each pod asks for {asked}; {free} more fit beside what runs now");
    if lacking == 0 {
        let text = format!("{label}: {standing} pods of the target's revision run already, none needs room");
        return Finding::ok("gpu-room", text);
    }
    let elastic = nodes.iter().any(|n| n.elastic);
    let free_some = format!("free {asked} on a node, or add one");
    if must_surge(workload) && free == 0 {
        let severity = if elastic { Severity::Warning } else { Severity::Refuse };
        let why = if own > 0 {
            "its rollout may not stop an old pod before a new one is ready (maxUnavailable 0): it would wait for ever"
        } else {
            "none of its own pods holds any that the rollout could free"
        };
        let found = Finding::new(severity, "gpu-room", format!("{room}, but {why}"));
        if own == 0 {
            return found.next(free_some);
        }
        let stop = format!(
            "make room by stopping the bad pods: kubectl scale {} --replicas=0 -n {}, then run this again",
            label.to_lowercase(),
            workload.object.namespace
        );
        return found
            .next(stop)
            .next(free_some)
            .next("for the next time: give the chart the strategy Recreate, or maxUnavailable 1");
    }
    let room = format!("{room}, {own} once the bad pods are gone");
    if free + own < lacking {
        let text = format!("{room}, but {lacking} are needed");
        return Finding::warning("gpu-room", text).next(free_some);
    }
    Finding::ok("gpu-room", format!("{room}; {lacking} needed"))
}

/// The rollout must start a pod before it may stop one.
fn must_surge(workload: &Workload<'_>) -> bool {
    let strategy = &workload.object.json["spec"]["strategy"];
    if workload.kind != WorkloadKind::Deployment || strategy["type"] == "Recreate" {
        return false;
    }
    let replicas = workload.replicas();
    let unavailable = match &strategy["rollingUpdate"]["maxUnavailable"] {
        Value::Number(number) => number.as_u64().unwrap_or(0),
        // Percentages are rounded down.
        Value::String(text) => percent(text).map_or(0, |p| replicas * p / 100),
        _ => replicas * 25 / 100,
    };
    unavailable == 0
}

fn percent(text: &str) -> Option<u64> {
    text.strip_suffix('%').unwrap_or(text).trim().parse().ok()
}

/// Pods of the target's own template that are ready: an old ReplicaSet that a rollback takes up again.
fn standing(live: &LiveWorkload, workload: &Workload<'_>) -> i128 {
    let hashes: Vec<&str> = live
        .revisions_of(&workload.object.json["spec"]["template"])
        .filter_map(|r| r["metadata"]["labels"]["pod-template-hash"].as_str())
        .collect();
    let ready = live
        .pods
        .iter()
        .filter(|p| pods::is_ready(p) && hashes.contains(&pods::revision_hash(p)))
        .count();
    i128::try_from(ready).unwrap_or(0)
}

/// Scheduled pods of other revisions, whose room the rollout gets back.
fn replaceable(live: &LiveWorkload, workload: &Workload<'_>) -> i128 {
    let others = live
        .pods
        .iter()
        .filter(|p| p["spec"]["nodeName"].is_string() && !requests(&p["spec"]).is_empty())
        .count();
    i128::try_from(others).unwrap_or(0) - standing(live, workload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::LiveWorkload;
    use serde_json::json;

    fn target(strategy: &str) -> Manifest {
        let text = format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: d}}
spec:
  replicas: 1
  strategy: {strategy}
  template: {{spec: {{containers: [{{name: vllm, image: 'v:1', resources: {{limits: {{nvidia.com/gpu: 2}}}}}}]}}}}
"
        );
        Manifest::parse(&text, "ml").unwrap()
    }

    fn nodes(gpus: u32, used: u32) -> Vec<Node> {
        let node = json!({"metadata": {"name": "n"}, "status": {"allocatable": {"nvidia.com/gpu": gpus.to_string()},
            "conditions": [{"type": "Ready", "status": "True"}]}});
        let pod = json!({"spec": {"nodeName": "n", "containers": [
            {"resources": {"requests": {"nvidia.com/gpu": used}}}]}});
        free_nodes(&[node], &[pod])
    }

    fn live(image: &str, ready: bool) -> LiveWorkload {
        let spec = json!({"nodeName": "n", "containers": [
            {"name": "vllm", "image": image, "resources": {"limits": {"nvidia.com/gpu": "2"}}}]});
        let revision = json!({"metadata": {"uid": "rs", "labels": {"pod-template-hash": "h"},
            "ownerReferences": [{"controller": true, "uid": "d"}]}, "spec": {"template": {"spec": spec}}});
        let pod = json!({"metadata": {"labels": {"pod-template-hash": "h"},
            "ownerReferences": [{"controller": true, "uid": "rs"}]}, "spec": spec,
            "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}});
        LiveWorkload::assemble(
            WorkloadKind::Deployment,
            "Deployment/d".into(),
            json!({"metadata": {"uid": "d"}}),
            vec![revision],
            vec![pod],
        )
    }

    fn severity(strategy: &str, gpus: u32, live: &LiveWorkload) -> Severity {
        let manifest = target(strategy);
        evaluate(&manifest.workloads()[0], Some(live), &nodes(gpus, 2)).severity
    }

    #[test]
    fn a_surge_without_room_is_refused_since_it_would_wait_for_ever() {
        assert_eq!(severity("{}", 2, &live("v:2", false)), Severity::Refuse);
        assert_eq!(severity("{}", 4, &live("v:2", false)), Severity::Ok);
    }

    #[test]
    fn a_strategy_that_stops_the_old_pod_first_needs_no_room() {
        assert_eq!(severity("{type: Recreate}", 2, &live("v:2", false)), Severity::Ok);
        let unavailable = "{rollingUpdate: {maxUnavailable: 1}}";
        assert_eq!(severity(unavailable, 2, &live("v:2", false)), Severity::Ok);
    }

    #[test]
    fn pods_of_the_target_that_still_run_need_no_room() {
        assert_eq!(severity("{}", 2, &live("v:1", true)), Severity::Ok);
    }

    #[test]
    fn a_percentage_of_few_replicas_rounds_to_none() {
        let surges = |strategy: &str| must_surge(&target(strategy).workloads()[0]);
        assert!(surges("{}"));
        assert!(surges("{rollingUpdate: {maxUnavailable: 99%}}"));
        assert!(!surges("{rollingUpdate: {maxUnavailable: 100%}}"));
    }

    #[test]
    fn a_node_with_a_taint_that_is_not_tolerated_does_not_count() {
        let mut all = nodes(8, 0);
        all[0].taints = json!([{"key": "gpu", "effect": "NoSchedule"}]);
        let spec = json!({"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]});
        assert_eq!(fits(&all, &spec), 0);
        let mut tolerant = spec.clone();
        tolerant["tolerations"] = json!([{"key": "gpu", "operator": "Exists"}]);
        assert_eq!(fits(&all, &tolerant), 8);
    }
}
