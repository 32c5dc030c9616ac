//! Images that cannot be pulled.

use serde_json::Value;
use vllm_rollback_engine::workload::CauseReason;

use super::detected::{DetectedCause, MAY_HEAL, NEVER_HEALS};
use super::pod_text::{container_label, describe, one_line, spec_of};
use crate::events;

/// Words of registries and runtimes for "trying again will not help".
const FINAL: &[&str] = &[
    "not found",
    "manifest unknown",
    "does not exist",
    "name unknown",
    "no such image",
    "unauthorized",
    "access denied",
    "access forbidden",
    "invalid reference",
    "no match for platform",
];

pub(super) fn pull(pod: &Value, status: &Value, events: &[&Value]) -> Option<DetectedCause> {
    let waiting = &status["state"]["waiting"];
    let reason = waiting["reason"].as_str()?;
    let always_final = match reason {
        "InvalidImageName" | "ErrImageNeverPull" => true,
        "ErrImagePull" | "ImagePullBackOff" | "RegistryUnavailable" | "ImageInspectError" => false,
        _ => return None,
    };
    let image = spec_of(pod, &status["name"])
        .and_then(|s| s["image"].as_str())
        .or(status["image"].as_str())
        .unwrap_or("?");
    let failures: Vec<&&Value> = events.iter().filter(|e| is_pull_failure(e, image)).collect();
    let told = waiting["message"].as_str().unwrap_or_default();
    let latest = failures
        .iter()
        .max_by_key(|e| events::last_seen(e))
        .and_then(|e| e["message"].as_str())
        .unwrap_or_default();
    // The back-off's own text may name the image only.
    let text = if is_final(told) || latest.is_empty() {
        told
    } else {
        latest
    };
    let tries: u32 = failures.iter().map(|e| events::count(e)).sum();
    let grace = if always_final || is_final(text) || tries >= 2 {
        NEVER_HEALS
    } else {
        MAY_HEAL
    };
    let message = format!("the image {image} cannot be pulled: {}", one_line(text));
    let seen = DetectedCause::new(CauseReason::ImagePull, container_label(pod, status), message, grace)
        .evidence(format!("{reason}: {}", one_line(told)))
        .next("check that the image's tag exists in the registry and that imagePullSecrets are valid")
        .next(describe(pod));
    Some(seen)
}

fn is_final(text: &str) -> bool {
    let text = text.to_lowercase();
    FINAL.iter().any(|word| text.contains(word))
}

fn is_pull_failure(event: &Value, image: &str) -> bool {
    let message = event["message"].as_str().unwrap_or_default();
    event["reason"] == "Failed" && message.starts_with("Failed to pull image") && message.contains(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(reason: &str, message: &str) -> Value {
        json!({"metadata": {"name": "p", "namespace": "ml"},
            "spec": {"containers": [{"name": "vllm", "image": "reg/vllm:v9"}]},
            "status": {"containerStatuses": [{"name": "vllm", "image": "reg/vllm:v9",
                "state": {"waiting": {"reason": reason, "message": message}}}]}})
    }

    fn see(reason: &str, message: &str, events: &[Value]) -> Option<DetectedCause> {
        let pod = pod(reason, message);
        let events: Vec<&Value> = events.iter().collect();
        pull(&pod, &pod["status"]["containerStatuses"][0], &events)
    }

    fn failed(count: u32, text: &str) -> Value {
        let message = format!("Failed to pull image \"reg/vllm:v9\": {text}");
        json!({"reason": "Failed", "message": message, "count": count, "lastTimestamp": "2026-01-01T00:00:00Z"})
    }

    #[test]
    fn a_tag_that_does_not_exist_never_heals_and_the_registrys_words_are_kept() {
        let seen = see(
            "ErrImagePull",
            "rpc error: code = NotFound desc = reg/vllm:v9: not found",
            &[],
        )
        .unwrap();
        assert_eq!(seen.grace, NEVER_HEALS);
        assert!(
            seen.cause.message.contains("reg/vllm:v9: not found"),
            "{}",
            seen.cause.message
        );
    }

    #[test]
    fn a_registry_that_is_down_may_heal_until_the_second_failure() {
        let down = "dial tcp: connection refused";
        assert_eq!(see("ErrImagePull", down, &[failed(1, down)]).unwrap().grace, MAY_HEAL);
        assert_eq!(
            see("ImagePullBackOff", "Back-off", &[failed(2, down)]).unwrap().grace,
            NEVER_HEALS
        );
    }

    #[test]
    fn the_back_offs_empty_words_are_replaced_by_the_events() {
        let seen = see(
            "ImagePullBackOff",
            "Back-off pulling image",
            &[failed(1, "manifest unknown")],
        )
        .unwrap();
        assert!(
            seen.cause.message.contains("manifest unknown"),
            "{}",
            seen.cause.message
        );
        assert_eq!(seen.grace, NEVER_HEALS);
    }

    #[test]
    fn a_container_that_waits_for_something_else_is_not_meant() {
        assert_eq!(see("ContainerCreating", "", &[]), None);
    }
}
