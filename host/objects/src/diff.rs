//! What a rollback changes, object by object, and what the cluster has that the current revision does not say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use similar::TextDiff;

use crate::comparison::{Against, Difference, as_stored, compare};
use crate::identity::{Identity, Object};
use crate::manifest::Manifest;
use crate::redaction;
use crate::release::Revision;

/// Change of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectDiff {
    /// `Deployment/llama-…`.
    pub object: String,
    /// Change that the rollback makes.
    pub change: ObjectChange,
    /// Unified diff from the current manifest to the target's, Secrets redacted; empty when they are equal.
    pub manifest_diff: String,
    /// Fields of the live object that differ from the current manifest: what somebody changed by hand or a failed
    /// upgrade left behind, as `path: manifest → live`.
    pub live_drift: Vec<String>,
}

/// Kind of change that a rollback makes to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectChange {
    /// Only in the target: created.
    Create,
    /// In both, and different.
    Modify,
    /// Only in the current revision: deleted.
    Delete,
    /// In both, and equal.
    Keep,
}

/// Fields of a pod template that the API server never fills in: when only the live object has one, somebody wrote it.
const NEVER_DEFAULTED: [&str; 8] = [
    "env",
    "envFrom",
    "args",
    "command",
    "volumeMounts",
    "volumes",
    "nodeSelector",
    "initContainers",
];

/// Compares two revisions and the live objects of the current one. The order is the target's, then what only the current
/// revision has.
pub fn diff(
    (current, old): (&Manifest, Revision),
    (target, new): (&Manifest, Revision),
    live: &[Object],
) -> Vec<ObjectDiff> {
    let live = by_identity(live);
    let mut before = by_identity(&current.objects);
    let labels = (format!("revision {old}"), format!("revision {new}"));
    let live_of = |object: &Object| live.get(&object.identity()).copied();
    let mut diffs = Vec::with_capacity(target.objects.len());
    for wanted in &target.objects {
        let before = before.remove(&wanted.identity());
        diffs.extend(object_diff(before, Some(wanted), live_of(wanted), &labels));
    }
    for gone in &current.objects {
        if let Some(gone) = before.remove(&gone.identity()) {
            diffs.extend(object_diff(Some(gone), None, live_of(gone), &labels));
        }
    }
    diffs
}

pub(crate) fn by_identity(objects: &[Object]) -> BTreeMap<Identity, &Object> {
    objects.iter().map(|object| (object.identity(), object)).collect()
}

fn object_diff(
    before: Option<&Object>,
    wanted: Option<&Object>,
    live: Option<&Object>,
    (old_label, new_label): &(String, String),
) -> Option<ObjectDiff> {
    let is_same = before.map(|o| &o.json) == wanted.map(|o| &o.json);
    let change = match (before, wanted) {
        (None, _) => ObjectChange::Create,
        (Some(before), None) if before.is_kept() => ObjectChange::Keep,
        (Some(_), None) => ObjectChange::Delete,
        (Some(_), Some(_)) if is_same => ObjectChange::Keep,
        (Some(_), Some(_)) => ObjectChange::Modify,
    };
    let manifest_diff = if is_same {
        String::new()
    } else if change == ObjectChange::Keep {
        format!("# only in {old_label}; its annotation helm.sh/resource-policy makes Helm leave it in the cluster\n")
    } else {
        let [old, new] = [before, wanted].map(|side| side.map(|o| canonical(&o.json)).unwrap_or_default());
        TextDiff::from_lines(&old, &new)
            .unified_diff()
            .context_radius(3)
            .header(old_label, new_label)
            .to_string()
    };
    let live_drift = match (before, live) {
        (Some(before), Some(live)) => drift(before, &live.json),
        _ => Vec::new(),
    };
    Some(ObjectDiff {
        object: wanted.or(before)?.label(),
        change,
        manifest_diff,
        live_drift,
    })
}

/// Lines `path: manifest → live` for each field of the manifest that the live object has otherwise, and for what was
/// added to lists and to fields without defaults. Fields that only the API server fills in are no drift.
fn drift(manifest: &Object, live: &Value) -> Vec<String> {
    let has_template = manifest.fields().has_template();
    let is_told = |one: &Difference| {
        let key = one.path.rsplit(['.', ']']).next().unwrap_or_default();
        let is_added = has_template && NEVER_DEFAULTED.contains(&key);
        let is_own = !["apiVersion", "kind", "status"].contains(&one.path.split('.').next().unwrap_or_default());
        is_own && (one.against == Against::Declared || is_added)
    };
    let found = compare(&manifest.fields(), &[], &as_stored(&manifest.json), live);
    let side = |text: Option<String>| text.unwrap_or_else(|| "(absent)".to_owned());
    found
        .into_iter()
        .filter(is_told)
        .map(|one| format!("{}: {} → {}", one.path, side(one.wanted), side(one.live)))
        .collect()
}

/// An object as YAML with sorted keys and without secrets.
fn canonical(object: &Value) -> String {
    let mut clean = redaction::object(object);
    clean.sort_all_objects();
    // Writing a JSON value as YAML into memory fails for no value; JSON is YAML too.
    serde_saphyr::to_string(&clean).unwrap_or_else(|_| clean.to_string())
}

#[cfg(test)]
mod tests;
