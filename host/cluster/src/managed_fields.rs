//! Writes that leave no trace: our managedFields entry goes, and the field is given back to the manager that wrote it.
//!
//! With our entry left behind, a later server-side apply by its owner would conflict over a field that is atomic: a
//! Service's selector, the rules of a route. Our write also took the field away from its writer, and no later write gives
//! it back by itself (both seen with helm 3.22.0 and 4.3.1 on Kubernetes 1.35).

use serde_json::{Value, json};
use vllm_rollback_objects::release::ReleaseRef;

use crate::api::FIELD_MANAGER;
use crate::pods::list;

/// A field of an object's spec that is written for a while.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TemporaryOwnership {
    /// The field: `selector`.
    pub(crate) field: &'static str,
    /// A field that whoever makes such an object writes in the same breath: `ports`.
    pub(crate) beside: &'static str,
}

/// The JSON patch that gives a field back: the `steps` while there are any, then what is left of us. None when neither
/// steps nor an entry of ours is there.
pub(crate) fn release_ownership_patch(
    object: &Value,
    borrowed: TemporaryOwnership,
    mut steps: Vec<Value>,
) -> Option<Value> {
    let ours: Vec<usize> = entries(object, true).map(|(index, _)| index).collect();
    // Only once the field is as it was: the write that makes it so makes the field ours again.
    if steps.is_empty() && !ours.is_empty() {
        steps.extend(release_fields(object, borrowed));
    }
    // From the back, so that earlier indexes stay true.
    for index in ours.into_iter().rev() {
        let path = format!("/metadata/managedFields/{index}");
        steps.push(json!({ "op": "remove", "path": path }));
    }
    (!steps.is_empty()).then(|| guarded(object, steps))
}

/// The entries of managedFields with their places, ours or those of others.
fn entries(object: &Value, ours: bool) -> impl Iterator<Item = (usize, &Value)> {
    let entries = list(&object["metadata"]["managedFields"]).iter().enumerate();
    entries.filter(move |(_, entry)| (entry["manager"] == FIELD_MANAGER) == ours)
}

/// A JSON patch of these steps that fails when the object changed meanwhile.
pub(crate) fn guarded(object: &Value, mut steps: Vec<Value>) -> Value {
    let version = &object["metadata"]["resourceVersion"];
    steps.insert(
        0,
        json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version }),
    );
    Value::Array(steps)
}

/// Makes the writer of the field beside it the owner, when nobody but us owns the field.
fn release_fields(object: &Value, borrowed: TemporaryOwnership) -> Option<Value> {
    let others = || entries(object, false);
    let owns = |entry: &Value, field: &str| entry["fieldsV1"]["f:spec"].get(format!("f:{field}")).is_some();
    if others().any(|(_, entry)| owns(entry, borrowed.field)) {
        return None;
    }
    let (index, _) = others().find(|(_, entry)| owns(entry, borrowed.beside))?;
    let path = format!("/metadata/managedFields/{index}/fieldsV1/f:spec/f:{}", borrowed.field);
    Some(json!({ "op": "add", "path": path, "value": {} }))
}

/// Writers of this object's fields: `helm/Apply`.
pub(crate) fn managers(object: &Value) -> Vec<String> {
    let mut names: Vec<String> = list(&object["metadata"]["managedFields"])
        .iter()
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

/// `meta.helm.sh/release-name` and `-namespace`: the release that an object belongs to.
pub(crate) fn helm_owner(object: &Value) -> Option<ReleaseRef> {
    let annotation = |name: &str| object["metadata"]["annotations"][name].as_str().map(str::to_owned);
    Some(ReleaseRef {
        name: annotation("meta.helm.sh/release-name")?,
        namespace: annotation("meta.helm.sh/release-namespace")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SELECTOR: TemporaryOwnership = TemporaryOwnership {
        field: "selector",
        beside: "ports",
    };

    fn service() -> Value {
        json!({
            "metadata": {"resourceVersion": "7", "managedFields": [
                {"manager": "helm", "operation": "Apply"},
                {"manager": "vllm-rollback", "operation": "Update"},
            ]},
        })
    }

    #[test]
    fn the_steps_go_first_and_our_entry_with_them_under_the_resource_version() {
        let step = json!({"op": "remove", "path": "/spec/selector/k"});
        assert_eq!(
            release_ownership_patch(&service(), SELECTOR, vec![step.clone()]).unwrap(),
            json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
                step,
                {"op": "remove", "path": "/metadata/managedFields/1"},
            ])
        );
    }

    #[test]
    fn once_no_step_is_left_the_field_goes_back_to_the_writer_of_the_one_beside_it() {
        let service = json!({
            "metadata": {"resourceVersion": "8", "managedFields": [
                {"manager": "vllm-rollback", "fieldsV1": {"f:spec": {"f:selector": {}}}},
                {"manager": "kube-controller-manager", "fieldsV1": {"f:status": {}}},
                {"manager": "helm", "fieldsV1": {"f:spec": {"f:ports": {}}}},
            ]},
        });
        assert_eq!(
            release_ownership_patch(&service, SELECTOR, Vec::new()).unwrap(),
            json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": "8"},
                {"op": "add", "path": "/metadata/managedFields/2/fieldsV1/f:spec/f:selector", "value": {}},
                {"op": "remove", "path": "/metadata/managedFields/0"},
            ])
        );
    }

    #[test]
    fn without_a_step_and_an_entry_of_ours_there_is_no_patch() {
        let service = json!({"metadata": {"resourceVersion": "7"}});
        assert!(release_ownership_patch(&service, SELECTOR, Vec::new()).is_none());
    }

    #[test]
    fn managers_are_named_with_their_operation() {
        assert_eq!(managers(&service()), ["helm/Apply", "vllm-rollback/Update"]);
    }
}
