//! The JSON patches that open a gate and leave no trace: the key goes, then our managedFields entry, and the selector
//! is given back to the manager that wrote it.
//!
//! With our entry left behind, a later server-side `helm upgrade` would conflict over `.spec.selector`, which is an
//! atomic map. Closing the gate also took the selector away from its writer, and no later write gives it back by itself
//! (both seen with helm 3.22.0 and 4.3.1 on Kubernetes 1.35).

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
    let ours: Vec<usize> = ours.collect();
    // Only once the key is gone: the write that removes it makes the selector ours again.
    if steps.is_empty() && !ours.is_empty() {
        steps.extend(giving_back(service));
    }
    // From the back, so that earlier indexes stay true.
    for index in ours.into_iter().rev() {
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

/// Makes the writer of the ports the owner of the selector, when nobody but us owns it: whoever makes a Service writes
/// both in one object.
fn giving_back(service: &Value) -> Option<Value> {
    let entries = service["metadata"]["managedFields"].as_array()?;
    let others = || {
        entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry["manager"] != FIELD_MANAGER)
    };
    let owns = |entry: &Value, field: &str| entry["fieldsV1"]["f:spec"].get(field).is_some();
    if others().any(|(_, entry)| owns(entry, "f:selector")) {
        return None;
    }
    let (index, _) = others().find(|(_, entry)| owns(entry, "f:ports"))?;
    let path = format!("/metadata/managedFields/{index}/fieldsV1/f:spec/f:selector");
    Some(json!({ "op": "add", "path": path, "value": {} }))
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
    fn once_the_key_is_gone_the_selector_goes_back_to_the_writer_of_the_ports() {
        let service = json!({
            "metadata": {"resourceVersion": "8", "managedFields": [
                {"manager": "vllm-rollback", "fieldsV1": {"f:spec": {"f:selector": {}}}},
                {"manager": "kube-controller-manager", "fieldsV1": {"f:status": {}}},
                {"manager": "helm", "fieldsV1": {"f:spec": {"f:ports": {}}}},
            ]},
            "spec": {"selector": {"app": "x"}},
        });
        assert_eq!(
            opening_patch(&service, "rollback.vllm/gate").unwrap(),
            json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": "8"},
                {"op": "add", "path": "/metadata/managedFields/2/fieldsV1/f:spec/f:selector", "value": {}},
                {"op": "remove", "path": "/metadata/managedFields/0"},
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
