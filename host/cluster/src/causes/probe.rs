//! Probes that fail, with the answer they got.

use serde_json::Value;
use vllm_rollback_engine::workload::CauseReason;

use super::detected::{DetectedCause, MAY_HEAL, NEVER_HEALS};
use super::pod_text::{container_label, describe, one_line, pod_label};
use crate::events;

/// A probe's kind: the kubelet's word, and our reason.
const KINDS: [(&str, CauseReason); 3] = [
    ("Startup", CauseReason::StartupProbe),
    ("Liveness", CauseReason::LivenessProbe),
    ("Readiness", CauseReason::ReadinessProbe),
];

/// The kubelet gave up on a container because of its probe (event `Killing`). A startup probe has used up the chart's own
/// budget, so it does not heal; after a failed liveness probe one restart may help.
pub(super) fn killed(pod: &Value, status: &Value, events: &[&Value]) -> Option<DetectedCause> {
    let container = status["name"].as_str()?;
    let prefix = format!("Container {container} failed ");
    let (event, reason, word) = events
        .iter()
        .filter(|e| e["reason"] == "Killing")
        .filter_map(|e| {
            let rest = e["message"].as_str()?.strip_prefix(&prefix)?;
            let (word, reason) = KINDS.iter().find(|(word, _)| rest.starts_with(&word.to_lowercase()))?;
            Some((*e, *reason, *word))
        })
        .max_by_key(|(e, _, _)| events::last_seen(e))?;
    let kills = events::count(event);
    let grace = if reason == CauseReason::StartupProbe || kills >= 2 {
        NEVER_HEALS
    } else {
        MAY_HEAL
    };
    let answer = last_answer(events, word).unwrap_or_else(|| "its answer is not known".to_owned());
    let message = format!(
        "the {} probe failed until the kubelet restarted the container ({kills}×): {answer}",
        word.to_lowercase()
    );
    let restarted = status["restartCount"].as_u64().unwrap_or(0) > 0;
    let mut seen = DetectedCause::new(reason, container_label(pod, status), message, grace)
        .next(describe(pod))
        .logged(pod, status, restarted);
    if reason == CauseReason::StartupProbe {
        seen = seen.next("if the model needs longer to load, raise the startup probe's failureThreshold");
    }
    Some(seen)
}

/// A probe fails and nothing else explains why the pod is not ready. It may heal: a model that loads looks like this.
pub(super) fn failing(pod: &Value, events: &[&Value]) -> Option<DetectedCause> {
    KINDS.iter().find_map(|(word, reason)| {
        let answer = last_answer(events, word)?;
        let message = format!("the {} probe fails: {answer}", word.to_lowercase());
        Some(DetectedCause::new(*reason, pod_label(pod), message, MAY_HEAL).next(describe(pod)))
    })
}

/// The newest answer of a kind of probe (event `Unhealthy`).
fn last_answer(events: &[&Value], word: &str) -> Option<String> {
    let prefix = format!("{word} probe ");
    events
        .iter()
        .filter(|e| e["reason"] == "Unhealthy")
        .filter_map(|e| Some((events::last_seen(e), e["message"].as_str()?.strip_prefix(&prefix)?)))
        .max_by_key(|(time, _)| *time)
        .map(|(_, text)| one_line(text.trim_start_matches("failed: ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn unhealthy(message: &str) -> Value {
        json!({"reason": "Unhealthy", "message": message, "lastTimestamp": "2026-01-01T00:00:00Z"})
    }

    fn pod() -> Value {
        json!({"metadata": {"name": "p", "namespace": "ml"},
            "status": {"containerStatuses": [{"name": "vllm", "restartCount": 1, "state": {"running": {}}}]}})
    }

    #[test]
    fn a_readiness_probe_is_told_with_its_answer_and_may_heal() {
        let event = unhealthy("Readiness probe failed: HTTP probe failed with statuscode: 503");
        let seen = failing(&pod(), &[&event]).unwrap();
        assert_eq!(seen.cause.reason, CauseReason::ReadinessProbe);
        assert!(seen.cause.message.contains("statuscode: 503"), "{}", seen.cause.message);
        assert_eq!(seen.grace, MAY_HEAL);
    }

    #[test]
    fn a_used_up_startup_probe_does_not_heal() {
        let answer = unhealthy("Startup probe failed: Get \"http://10.0.0.1:8000/health\": connection refused");
        let kill = json!({"reason": "Killing", "count": 1,
            "message": "Container vllm failed startup probe, will be restarted"});
        let pod = pod();
        let seen = killed(&pod, &pod["status"]["containerStatuses"][0], &[&answer, &kill]).unwrap();
        assert_eq!(
            (seen.cause.reason, seen.grace),
            (CauseReason::StartupProbe, NEVER_HEALS)
        );
        assert!(
            seen.cause.message.contains("connection refused"),
            "{}",
            seen.cause.message
        );
    }

    #[test]
    fn one_failed_liveness_probe_may_heal_and_two_do_not() {
        let kill = |count: u32| {
            json!({"reason": "Killing", "count": count,
                "message": "Container vllm failed liveness probe, will be restarted"})
        };
        let pod = pod();
        let status = &pod["status"]["containerStatuses"][0];
        assert_eq!(killed(&pod, status, &[&kill(1)]).unwrap().grace, MAY_HEAL);
        assert_eq!(killed(&pod, status, &[&kill(2)]).unwrap().grace, NEVER_HEALS);
    }

    #[test]
    fn a_container_stopped_for_another_reason_is_not_blamed_on_a_probe() {
        let kill = json!({"reason": "Killing", "message": "Stopping container vllm"});
        let pod = pod();
        assert_eq!(killed(&pod, &pod["status"]["containerStatuses"][0], &[&kill]), None);
    }
}
