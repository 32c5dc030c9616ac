//! Events about a release's objects.

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;

use crate::api::Resource;
use crate::connect::Cluster;
use crate::pods;
use crate::view::LiveWorkload;

/// `Pod/llama-…`.
pub(crate) fn object(event: &Value) -> String {
    let object = &event["involvedObject"];
    format!(
        "{}/{}",
        object["kind"].as_str().unwrap_or("?"),
        object["name"].as_str().unwrap_or("?")
    )
}

/// Number of times it was seen; newer reporters count in `series`.
pub(crate) fn count(event: &Value) -> u32 {
    let count = event["series"]["count"].as_u64().or_else(|| event["count"].as_u64());
    count.and_then(|n| u32::try_from(n).ok()).unwrap_or(1).max(1)
}

/// Time when it was last seen, as text that sorts by time.
pub(crate) fn last_seen(event: &Value) -> &str {
    [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["metadata"]["creationTimestamp"],
    ]
    .into_iter()
    .find_map(Value::as_str)
    .unwrap_or_default()
}

/// The UID of the object it is about.
pub(crate) fn about_uid(event: &Value) -> &str {
    pods::text(&event["involvedObject"]["uid"])
}

/// Events about these workloads, their revisions and their pods, oldest first.
pub(crate) async fn about(cluster: &Cluster, live: &[LiveWorkload]) -> Result<Vec<Value>, Failure> {
    let uids: Vec<&str> = live
        .iter()
        .flat_map(|w| [&w.object].into_iter().chain(&w.revisions).chain(&w.pods))
        .map(pods::uid)
        .collect();
    let listed = cluster.list(&Resource::core("events")).await;
    let mut found = listed.map_err(|e| e.into_failure("cannot read events"))?;
    found.retain(|event| uids.contains(&about_uid(event)));
    found.sort_by(|a, b| last_seen(a).cmp(last_seen(b)));
    Ok(found)
}
