//! The JSON patch that opens a gate and leaves no trace: the key and our managedFields entry go in one write.
//!
//! With our entry left behind, a later server-side `helm upgrade` would conflict over `.spec.selector`, which is an
//! atomic map (seen with helm 4.3.1 on Kubernetes 1.35).

use serde_json::{Value, json};

use crate::wire::FIELD_MANAGER;

/// The patch for this Service as it is, or none when neither the key nor an entry of ours is there.
pub(super) fn opening_patch(service: &Value, key: &str) -> Option<Value> {
    let mut steps = Vec::new();
    if service["spec"]["selector"].get(key).is_some() {
        steps.push(json!({ "op": "remove", "path": format!("/spec/selector/{}", pointer(key)) }));
    }
    let entries = service["metadata"]["managedFields"].as_array();
    let ours = entries
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, entry)| entry["manager"] == FIELD_MANAGER)
        .map(|(index, _)| index);
    // From the back, so that earlier indexes stay true.
    for index in ours.collect::<Vec<_>>().into_iter().rev() {
        let path = format!("/metadata/managedFields/{index}");
        steps.push(json!({ "op": "remove", "path": path }));
    }
    if steps.is_empty() {
        return None;
    }
    let version = &service["metadata"]["resourceVersion"];
    steps.insert(
        0,
        json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version }),
    );
    Some(Value::Array(steps))
}

/// Who wrote fields of this object: `helm/Apply`.
pub(super) fn managers(service: &Value) -> Vec<String> {
    let mut names: Vec<String> = service["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let manager = entry["manager"].as_str().unwrap_or("?");
            let operation = entry["operation"].as_str().unwrap_or("?");
            format!("{manager}/{operation}")
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Escapes a key for a JSON pointer (RFC 6901).
fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Value {
        json!({
            "metadata": {"resourceVersion": "7", "managedFields": [
                {"manager": "helm", "operation": "Apply"},
                {"manager": "vllm-rollback", "operation": "Update"},
            ]},
            "spec": {"selector": {"app": "x", "rollback.vllm/gate": "closed"}},
        })
    }

    #[test]
    fn opening_removes_the_key_and_our_entry_under_the_resource_version() {
        assert_eq!(
            opening_patch(&service(), "rollback.vllm/gate").unwrap(),
            json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
                {"op": "remove", "path": "/spec/selector/rollback.vllm~1gate"},
                {"op": "remove", "path": "/metadata/managedFields/1"},
            ])
        );
    }

    #[test]
    fn an_open_gate_without_our_entry_needs_no_patch() {
        let service = json!({"metadata": {"resourceVersion": "7"}, "spec": {"selector": {"app": "x"}}});
        assert!(opening_patch(&service, "rollback.vllm/gate").is_none());
    }

    #[test]
    fn managers_are_named_with_their_operation() {
        assert_eq!(managers(&service()), ["helm/Apply", "vllm-rollback/Update"]);
    }
}
