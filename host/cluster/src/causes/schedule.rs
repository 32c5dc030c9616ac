//! Pods that no node can take.

use std::time::Duration;

use serde_json::Value;
use vllm_rollback_engine::workload::CauseReason;

use super::detected::{DetectedCause, MAY_HEAL, SOON};
use super::pod_text::{describe, one_line, pod_label};
use crate::pods::{self, list};

/// Time that a want of room lasts before it counts as final, when nothing of the release is about to free any.
const ROOM: Option<Duration> = Some(Duration::from_secs(10));

/// Reasons of events by which an autoscaler says that a node is on its way.
const NODE_COMES: &[&str] = &["TriggeredScaleUp", "Nominated"];

pub(super) fn unschedulable(pod: &Value, events: &[&Value], capacity_pending: bool) -> Option<DetectedCause> {
    let condition = pods::condition(&pod["status"], "PodScheduled")?;
    if condition["status"] != "False" {
        return None;
    }
    let text = one_line(condition["message"].as_str().unwrap_or("the scheduler gave no reason"));
    let node_comes = events
        .iter()
        .any(|e| e["reason"].as_str().is_some_and(|reason| NODE_COMES.contains(&reason)));
    let cause = |reason, what: &str, grace, step: &str| {
        let seen = DetectedCause::new(reason, pod_label(pod), format!("{what}: {text}"), grace);
        Some(seen.next(step).next(describe(pod)))
    };
    if let Some(claim) = quoted_after(&text, "persistentvolumeclaim ") {
        let what = format!("the PersistentVolumeClaim {claim} does not exist");
        let create = format!("create the PersistentVolumeClaim {claim}");
        return cause(CauseReason::MissingVolumeClaim, &what, SOON, &create);
    }
    if text.contains("unbound immediate PersistentVolumeClaims") {
        let what = "a PersistentVolumeClaim of the pod is not bound";
        return cause(CauseReason::MissingVolumeClaim, what, MAY_HEAL, "kubectl get pvc");
    }
    let missing = insufficient(&text);
    let (what, grace) = if missing.is_empty() {
        ("no node can take the pod".to_owned(), MAY_HEAL)
    } else {
        let wants: Vec<String> = missing.iter().map(|name| wanted(pod, name)).collect();
        let may_heal = capacity_pending || node_comes;
        let grace = if may_heal { MAY_HEAL } else { ROOM };
        (format!("no node has enough {}", wants.join(", ")), grace)
    };
    let step = "kubectl get pods -A -o wide, then free what is missing or add a node";
    cause(CauseReason::Unschedulable, &what, grace, step)
}

/// Resources that the scheduler calls insufficient.
fn insufficient(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .split("Insufficient ")
        .skip(1)
        .filter_map(|rest| rest.split([' ', ',']).next())
        .map(|name| name.trim_end_matches('.').to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// `nvidia.com/gpu (the pod asks for 2)`.
fn wanted(pod: &Value, resource: &str) -> String {
    let asks: Vec<&str> = list(&pod["spec"]["containers"])
        .iter()
        .filter_map(|c| {
            let resources = &c["resources"];
            resources["requests"][resource]
                .as_str()
                .or(resources["limits"][resource].as_str())
        })
        .collect();
    if asks.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource} (the pod asks for {})", asks.join(" + "))
    }
}

/// The quoted word that follows.
pub(super) fn quoted_after<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("{before}\""))?;
    rest.split('"').next().filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(message: &str) -> Value {
        json!({"metadata": {"name": "p", "namespace": "ml"},
            "spec": {"containers": [{"name": "vllm", "resources": {"requests": {"nvidia.com/gpu": "2"}}}]},
            "status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": message}]}})
    }

    const GPU: &str =
        "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint(s). preemption: none";

    #[test]
    fn what_is_missing_and_how_much_is_asked_for_are_told() {
        let seen = unschedulable(&pod(GPU), &[], false).unwrap();
        let message = seen.cause.message;
        assert!(message.contains("nvidia.com/gpu (the pod asks for 2)"), "{message}");
        assert!(message.contains("untolerated taint"), "{message}");
        assert_eq!(seen.grace, ROOM);
    }

    #[test]
    fn it_may_heal_while_pods_of_the_release_end_or_a_node_is_on_its_way() {
        assert_eq!(unschedulable(&pod(GPU), &[], true).unwrap().grace, MAY_HEAL);
        let scale_up = json!({"reason": "TriggeredScaleUp"});
        assert_eq!(unschedulable(&pod(GPU), &[&scale_up], false).unwrap().grace, MAY_HEAL);
    }

    #[test]
    fn an_absent_claim_is_named() {
        let text = "0/1 nodes are available: persistentvolumeclaim \"weights\" not found.";
        let seen = unschedulable(&pod(text), &[], false).unwrap();
        assert_eq!(seen.cause.reason, CauseReason::MissingVolumeClaim);
        assert!(seen.cause.message.contains("weights"));
        let unbound = unschedulable(&pod("pod has unbound immediate PersistentVolumeClaims"), &[], false).unwrap();
        assert_eq!(unbound.cause.reason, CauseReason::MissingVolumeClaim);
    }

    #[test]
    fn a_scheduled_pod_has_no_such_cause() {
        let pod = json!({"status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}});
        assert_eq!(unschedulable(&pod, &[], false), None);
    }
}
