//! What a rollback changes, object by object, and what the cluster has that the current revision does not say.

mod drift;
mod quantity;
mod stranded;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use similar::TextDiff;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::plan::{ObjectChange, ObjectDiff};
use vllm_rollback_engine::release::ReleaseRecord;
use vllm_rollback_objects::identity::{Identity, Object};

pub use drift::drift;
pub use stranded::stranded;

use crate::redact::redact_object;

/// Compares two revisions and the live objects of the current one. The order is the target's, then what only the
/// current revision has.
///
/// # Errors
/// `Invalid` when a manifest cannot be taken apart.
pub fn diff(current: &ReleaseRecord, target: &ReleaseRecord, live: &[Value]) -> Result<Vec<ObjectDiff>, Failure> {
    let mut old = objects(current)?;
    let new = objects(target)?;
    let live = by_identity(live, current);
    let labels = (
        format!("revision {}", current.revision),
        format!("revision {}", target.revision),
    );
    let mut diffs = Vec::with_capacity(new.len());
    for (identity, wanted) in &new {
        let position = old.iter().position(|(id, _)| id == identity);
        let before = position.map(|at| old.remove(at).1);
        diffs.push(compare(identity, before.as_ref(), Some(wanted), &live, &labels));
    }
    for (identity, before) in &old {
        diffs.push(compare(identity, Some(before), None, &live, &labels));
    }
    Ok(diffs)
}

fn objects(record: &ReleaseRecord) -> Result<Vec<(Identity, Value)>, Failure> {
    let manifest = record.objects()?;
    let objects = manifest.objects.into_iter();
    Ok(objects.map(|object| (object.identity(), object.json)).collect())
}

/// The live objects by what they are.
fn by_identity<'l>(live: &'l [Value], record: &ReleaseRecord) -> BTreeMap<Identity, &'l Value> {
    let read = |value: &Value| Some(Object::read(value.clone(), &record.release.namespace)?.identity());
    live.iter().filter_map(|value| Some((read(value)?, value))).collect()
}

fn compare(
    identity: &Identity,
    before: Option<&Value>,
    wanted: Option<&Value>,
    live: &BTreeMap<Identity, &Value>,
    (old_label, new_label): &(String, String),
) -> ObjectDiff {
    let change = match (before, wanted) {
        (None, _) => ObjectChange::Create,
        (Some(before), None) if is_kept(before) => ObjectChange::Keep,
        (Some(_), None) => ObjectChange::Delete,
        (Some(before), Some(wanted)) if before == wanted => ObjectChange::Keep,
        (Some(_), Some(_)) => ObjectChange::Modify,
    };
    let manifest_diff = if before == wanted {
        String::new()
    } else if change == ObjectChange::Keep {
        format!("# only in {old_label}; its annotation helm.sh/resource-policy makes Helm leave it in the cluster\n")
    } else {
        let old = before.map(canonical).unwrap_or_default();
        let new = wanted.map(canonical).unwrap_or_default();
        TextDiff::from_lines(&old, &new)
            .unified_diff()
            .context_radius(3)
            .header(old_label, new_label)
            .to_string()
    };
    let live_drift = match (before, live.get(identity)) {
        (Some(before), Some(live)) => drift(before, live),
        _ => Vec::new(),
    };
    ObjectDiff {
        object: identity.to_string(),
        change,
        manifest_diff,
        live_drift,
    }
}

fn is_kept(object: &Value) -> bool {
    object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
}

/// An object as YAML with sorted keys and without secrets.
fn canonical(object: &Value) -> String {
    let mut clean = sorted(object);
    redact_object(&mut clean);
    // Writing a JSON value as YAML into memory fails for no value; JSON is YAML too.
    serde_saphyr::to_string(&clean).unwrap_or_else(|_| clean.to_string())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<&String, &Value> = map.iter().collect();
            Value::Object(
                ordered
                    .into_iter()
                    .map(|(k, v)| (k.clone(), sorted(v)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
