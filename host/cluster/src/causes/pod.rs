//! All causes of one pod.

use serde_json::Value;

use super::detected::DetectedCause;
use super::{crash, create, image, probe, schedule};
use crate::pods;

/// All causes of one pod that is not ready. `events` are those about this pod; `capacity_pending` says that pods of the release are
/// terminating, so that room may come.
pub(crate) fn of_pod(pod: &Value, events: &[&Value], capacity_pending: bool) -> Vec<DetectedCause> {
    if pods::is_ready(pod) || pods::is_terminating(pod) {
        return Vec::new();
    }
    let mut seen = Vec::new();
    seen.extend(schedule::unschedulable(pod, events, capacity_pending));
    seen.extend(create::evicted(pod));
    for status in pods::container_statuses(pod) {
        let found = image::pull(pod, status, events)
            .or_else(|| create::container(pod, status))
            .or_else(|| crash::out_of_memory(pod, status))
            .or_else(|| probe::killed(pod, status, events))
            .or_else(|| crash::crash(pod, status));
        seen.extend(found);
    }
    seen.extend(create::mount(pod, events));
    if seen.is_empty() {
        seen.extend(probe::failing(pod, events));
    }
    seen
}
