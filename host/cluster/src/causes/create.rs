//! Containers that cannot be created, volumes that cannot be mounted, pods that a node threw out.

use serde_json::Value;
use vllm_rollback_engine::workload::CauseReason;

use super::detected::{DetectedCause, MAY_HEAL, SOON};
use super::pod_text::{container_label, describe, one_line, pod_label};
use super::schedule::quoted_after;
use crate::events;
use crate::pods;

pub(super) fn container(pod: &Value, status: &Value) -> Option<DetectedCause> {
    let waiting = &status["state"]["waiting"];
    let reason = waiting["reason"].as_str()?;
    if !matches!(
        reason,
        "CreateContainerConfigError"
            | "CreateContainerError"
            | "RunContainerError"
            | "PreCreateHookError"
            | "PreStartHookError"
            | "PostStartHookError"
    ) {
        return None;
    }
    let text = one_line(waiting["message"].as_str().unwrap_or("the kubelet gave no reason"));
    let (cause, what, step) = match missing(&text) {
        Some((cause, what)) => (
            cause,
            what,
            "create what is missing, or choose a revision that does not need it",
        ),
        None => (
            CauseReason::ContainerCreate,
            format!("the container cannot be created ({reason})"),
            "check the container's command, mounts and security settings",
        ),
    };
    let message = format!("{what}: {text}");
    let seen = DetectedCause::new(cause, container_label(pod, status), message, SOON);
    Some(seen.next(step).next(describe(pod)))
}

pub(super) fn mount(pod: &Value, events: &[&Value]) -> Option<DetectedCause> {
    let mut reasons = pods::container_statuses(pod).filter_map(|s| s["state"]["waiting"]["reason"].as_str());
    if !reasons.any(|reason| matches!(reason, "ContainerCreating" | "PodInitializing")) {
        return None;
    }
    let failure = events
        .iter()
        .filter(|e| matches!(e["reason"].as_str(), Some("FailedMount" | "FailedAttachVolume")))
        .max_by_key(|e| events::last_seen(e))?;
    let text = one_line(failure["message"].as_str()?);
    let (cause, what, grace) = match missing(&text) {
        Some((cause, what)) => (cause, what, SOON),
        None => {
            let what = "a volume cannot be mounted".to_owned();
            (CauseReason::MissingVolumeClaim, what, MAY_HEAL)
        }
    };
    let message = format!("{what}: {text}");
    Some(DetectedCause::new(cause, pod_label(pod), message, grace).next(describe(pod)))
}

pub(super) fn evicted(pod: &Value) -> Option<DetectedCause> {
    let reason = pod["status"]["reason"].as_str()?;
    if !matches!(
        reason,
        "Evicted"
            | "NodeLost"
            | "NodeAffinity"
            | "NodeShutdown"
            | "Terminated"
            | "Preempting"
            | "UnexpectedAdmissionError"
    ) {
        return None;
    }
    let text = one_line(pod["status"]["message"].as_str().unwrap_or("no reason given"));
    let message = format!("the node threw the pod out ({reason}): {text}");
    Some(DetectedCause::new(CauseReason::Evicted, pod_label(pod), message, MAY_HEAL).next(describe(pod)))
}

/// Names the object that the kubelet misses.
fn missing(text: &str) -> Option<(CauseReason, String)> {
    let kinds = [
        ("ConfigMap", CauseReason::MissingConfigMap),
        ("Secret", CauseReason::MissingSecret),
        ("PersistentVolumeClaim", CauseReason::MissingVolumeClaim),
    ];
    if text.contains("not found") {
        for (kind, reason) in kinds {
            if let Some(name) = quoted_after(text, &format!("{} ", kind.to_lowercase())) {
                return Some((reason, format!("the {kind} {name} does not exist")));
            }
        }
    }
    // "couldn't find key X in Secret ml/name"
    let (_, rest) = text.split_once("couldn't find key ")?;
    let mut words = rest.split_whitespace();
    let key = words.next()?;
    let (kind, name) = (words.nth(1)?, words.next()?);
    let (_, reason) = kinds.into_iter().find(|(known, _)| *known == kind)?;
    Some((reason, format!("the {kind} {name} has no key {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(reason: &str, message: &str) -> Value {
        json!({"metadata": {"name": "p", "namespace": "ml"}, "status": {"containerStatuses": [
            {"name": "vllm", "state": {"waiting": {"reason": reason, "message": message}}}]}})
    }

    fn see(message: &str) -> DetectedCause {
        let pod = pod("CreateContainerConfigError", message);
        container(&pod, &pod["status"]["containerStatuses"][0]).unwrap()
    }

    #[test]
    fn an_absent_object_or_key_is_named() {
        for (text, reason, name) in [
            (
                "configmap \"cfg\" not found",
                CauseReason::MissingConfigMap,
                "ConfigMap cfg",
            ),
            (
                "secret \"hf-token\" not found",
                CauseReason::MissingSecret,
                "Secret hf-token",
            ),
            (
                "couldn't find key token in Secret ml/hf",
                CauseReason::MissingSecret,
                "ml/hf has no key token",
            ),
            ("something else", CauseReason::ContainerCreate, "something else"),
        ] {
            let seen = see(text);
            assert_eq!(seen.cause.reason, reason, "{text}");
            assert!(seen.cause.message.contains(name), "{}", seen.cause.message);
        }
    }

    #[test]
    fn a_volume_of_an_absent_secret_is_named_while_the_container_is_being_created() {
        let event = json!({"reason": "FailedMount", "message":
            "MountVolume.SetUp failed for volume \"tls\" : secret \"tls\" not found"});
        let seen = mount(&pod("ContainerCreating", ""), &[&event]).unwrap();
        assert_eq!(seen.cause.reason, CauseReason::MissingSecret);
        let running = json!({"status": {"containerStatuses": [{"state": {"running": {}}}]}});
        assert_eq!(mount(&running, &[&event]), None);
    }

    #[test]
    fn an_evicted_pod_tells_why() {
        let pod = json!({"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted",
            "message": "The node was low on resource: memory."}});
        assert!(evicted(&pod).unwrap().cause.message.contains("low on resource: memory"));
    }
}
