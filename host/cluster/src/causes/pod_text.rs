//! Pods and containers as causes name them.

use serde_json::Value;

use crate::pods::{self, list};

/// `Pod/llama-… container vllm`.
pub(super) fn container_label(pod: &Value, status: &Value) -> String {
    let container = status["name"].as_str().unwrap_or("?");
    format!("Pod/{} container {container}", pods::name(pod))
}

pub(super) fn pod_label(pod: &Value) -> String {
    format!("Pod/{}", pods::name(pod))
}

pub(super) fn describe(pod: &Value) -> String {
    format!("kubectl describe pod {} -n {}", pods::name(pod), pods::namespace(pod))
}

/// The container's part of the spec.
pub(super) fn spec_of<'a>(pod: &'a Value, container: &Value) -> Option<&'a Value> {
    ["containers", "initContainers"]
        .into_iter()
        .flat_map(|key| list(&pod["spec"][key]).iter())
        .find(|spec| spec["name"] == *container)
}

/// One line of bounded length.
pub(super) fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 400 {
        line.chars().take(400).chain(['…']).collect()
    } else {
        line
    }
}
