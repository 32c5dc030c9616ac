//! What a pod's JSON says: small readings that causes, readiness and snapshots share.

use jiff::Timestamp;
use serde_json::Value;

/// The items of a list; none where there is no list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The text that a value is; empty where it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

/// Every pod that the API server gives has one.
pub(crate) fn namespace(pod: &Value) -> &str {
    pod["metadata"]["namespace"].as_str().unwrap_or("default")
}

pub(crate) fn uid(object: &Value) -> &str {
    text(&object["metadata"]["uid"])
}

/// UID of the object that controls this one.
pub(crate) fn controller_uid(object: &Value) -> Option<&str> {
    controller(object)?["uid"].as_str()
}

/// Reference to the object that controls this one.
pub(crate) fn controller(object: &Value) -> Option<&Value> {
    list(&object["metadata"]["ownerReferences"])
        .iter()
        .find(|owner| owner["controller"] == true)
}

/// `pod-template-hash` or `controller-revision-hash`.
pub(crate) fn revision_hash(pod: &Value) -> &str {
    let labels = &pod["metadata"]["labels"];
    labels["pod-template-hash"]
        .as_str()
        .or_else(|| labels["controller-revision-hash"].as_str())
        .unwrap_or_default()
}

pub(crate) fn is_terminating(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

pub(crate) fn phase(pod: &Value) -> &str {
    pod["status"]["phase"].as_str().unwrap_or("Unknown")
}

/// Tells whether it ended and stays so: its address may be another pod's by now.
pub(crate) fn is_finished(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Tells whether it neither ended nor is about to.
pub(crate) fn is_standing(pod: &Value) -> bool {
    !is_terminating(pod) && !is_finished(pod)
}

/// A condition in a status.
pub(crate) fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&status["conditions"])
        .iter()
        .find(|condition| condition["type"] == kind)
}

pub(crate) fn is_ready(pod: &Value) -> bool {
    condition(&pod["status"], "Ready").is_some_and(|c| c["status"] == "True")
}

/// Statuses of init containers, then of containers.
pub(crate) fn container_statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|key| list(&pod["status"][key]).iter())
}

/// Restarts of all containers of a pod.
pub(crate) fn restarts(pod: &Value) -> u32 {
    let sum: u64 = container_statuses(pod).filter_map(|s| s["restartCount"].as_u64()).sum();
    u32::try_from(sum).unwrap_or(u32::MAX)
}

/// Images as the spec names them.
pub(crate) fn images(pod: &Value) -> Vec<String> {
    list(&pod["spec"]["containers"])
        .iter()
        .filter_map(|c| c["image"].as_str().map(str::to_owned))
        .collect()
}

pub(crate) fn ip(pod: &Value) -> Option<&str> {
    pod["status"]["podIP"].as_str().filter(|ip| !ip.is_empty())
}

/// Seconds between an RFC 3339 time in the object and now; 0 when it lies ahead or cannot be read.
pub(crate) fn age_seconds(time: &Value, now: Timestamp) -> u64 {
    time.as_str()
        .and_then(|text| text.parse::<Timestamp>().ok())
        .map_or(0, |then| u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn restarts_of_all_containers_are_summed() {
        let pod = json!({"status": {"initContainerStatuses": [{"restartCount": 1}],
            "containerStatuses": [{"restartCount": 2}, {"restartCount": 3}]}});
        assert_eq!(restarts(&pod), 6);
    }

    #[test]
    fn only_the_ready_condition_makes_a_pod_ready() {
        assert!(is_ready(
            &json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        ));
        assert!(!is_ready(
            &json!({"status": {"conditions": [{"type": "ContainersReady", "status": "True"}]}})
        ));
        assert!(!is_ready(&json!({})));
    }

    #[test]
    fn a_time_ahead_of_us_is_no_age() {
        let now: Timestamp = "2026-01-01T00:00:10Z".parse().unwrap();
        assert_eq!(age_seconds(&json!("2026-01-01T00:00:00Z"), now), 10);
        assert_eq!(age_seconds(&json!("2026-01-01T00:01:00Z"), now), 0);
        assert_eq!(age_seconds(&Value::Null, now), 0);
    }
}
