//! Fields of a live object that are not as its manifest says.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::quantity::same_amount;
use crate::redact::redact_object;

/// Fields by which elements of a list are matched, best first (merge keys of k8s.io/api v0.35 `core/v1`).
pub(super) const MERGE_KEYS: [&str; 4] = ["mountPath", "name", "containerPort", "port"];

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

/// Kinds with a pod template. Pods themselves are left out: admission adds volumes and containers to those.
const WORKLOADS: [&str; 6] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"];

/// A value longer than this is cut when shown.
const SHOWN: usize = 160;

/// Lines `path: manifest → live` for each field of the manifest that the live object has otherwise, and for what was
/// added to lists and to fields without defaults. Fields that only the API server fills in are no drift.
pub fn drift(manifest: &Value, live: &Value) -> Vec<String> {
    let workload = manifest["kind"].as_str().is_some_and(|kind| WORKLOADS.contains(&kind));
    let mut walk = Walk {
        workload,
        lines: Vec::new(),
    };
    let (manifest, live) = (comparable(manifest), comparable(live));
    for (key, wanted) in manifest.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "status") {
            walk.compare(&field("", key), wanted, live.get(key));
        }
    }
    walk.lines
}

/// Brings both sides to one form before secrets are hidden: a Secret's `stringData` is `data` in the cluster.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "Secret"
        && let Some(map) = object.as_object_mut()
        && let Some(Value::Object(plain)) = map.remove("stringData")
    {
        let data = map.entry("data").or_insert_with(|| Value::Object(Map::new()));
        if data.is_null() {
            *data = Value::Object(Map::new());
        }
        if let Some(data) = data.as_object_mut() {
            let encode = |value: &Value| STANDARD.encode(value.as_str().unwrap_or_default());
            data.extend(
                plain
                    .into_iter()
                    .map(|(key, value)| (key, Value::String(encode(&value)))),
            );
        }
    }
    redact_object(&mut object);
    object
}

struct Walk {
    workload: bool,
    lines: Vec<String>,
}

impl Walk {
    fn compare(&mut self, path: &str, wanted: &Value, live: Option<&Value>) {
        match (wanted, live) {
            (wanted, None | Some(Value::Null)) if is_blank(wanted) => {}
            (Value::Object(wanted), Some(Value::Object(live))) => self.maps(path, wanted, live),
            (Value::Array(wanted), Some(Value::Array(live))) => self.lists(path, wanted, live),
            (wanted, Some(live)) if same_scalar(path, wanted, live) => {}
            (wanted, live) => self.report(path, Some(wanted), live),
        }
    }

    fn maps(&mut self, path: &str, wanted: &Map<String, Value>, live: &Map<String, Value>) {
        for (key, value) in wanted {
            self.compare(&field(path, key), value, live.get(key));
        }
        for key in NEVER_DEFAULTED {
            if let (true, None, Some(added)) = (self.workload, wanted.get(key), live.get(key)) {
                self.report(&field(path, key), None, Some(added));
            }
        }
    }

    fn lists(&mut self, path: &str, wanted: &[Value], live: &[Value]) {
        for key in MERGE_KEYS {
            let (Some(wanted), Some(mut live)) = (by_key(wanted, key), by_key(live, key)) else {
                continue;
            };
            for (name, value) in wanted {
                self.compare(&format!("{path}[{name}]"), value, live.remove(&name));
            }
            for (name, added) in live {
                self.report(&format!("{path}[{name}]"), None, Some(added));
            }
            return;
        }
        if wanted.len() != live.len() {
            self.report(path, Some(&Value::from(wanted)), Some(&Value::from(live)));
            return;
        }
        for (at, (wanted, live)) in wanted.iter().zip(live).enumerate() {
            self.compare(&format!("{path}[{at}]"), wanted, Some(live));
        }
    }

    fn report(&mut self, path: &str, wanted: Option<&Value>, live: Option<&Value>) {
        self.lines.push(format!("{path}: {} → {}", shown(wanted), shown(live)));
    }
}

/// The elements by the value of a key that all of them have, each another; none when it is not so.
pub(super) fn by_key<'a>(items: &'a [Value], key: &str) -> Option<BTreeMap<String, &'a Value>> {
    let mut map = BTreeMap::new();
    for item in items {
        let name = match item.get(key)? {
            Value::String(name) => name.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        if map.insert(name, item).is_some() {
            return None;
        }
    }
    Some(map)
}

/// The API server drops nulls and empty values.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_blank),
        _ => false,
    }
}

fn same_scalar(path: &str, wanted: &Value, live: &Value) -> bool {
    if wanted == live || (is_blank(wanted) && is_blank(live)) {
        return true;
    }
    let (Some(a), Some(b)) = (scalar(wanted), scalar(live)) else {
        return false;
    };
    // A number where the API wants text: `nvidia.com/gpu: 1` is "1" in the cluster.
    let mixed = wanted.is_string() != live.is_string();
    let amount = [".limits", ".requests", ".capacity", ".hard", ".sizeLimit"]
        .iter()
        .any(|part| path.contains(part));
    let numbers = wanted
        .as_f64()
        .zip(live.as_f64())
        .is_some_and(|(a, b)| a.total_cmp(&b).is_eq());
    (mixed && a == b) || numbers || (amount && same_amount(&a, &b))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(super) fn field(path: &str, key: &str) -> String {
    if key.contains(['.', '/']) {
        format!("{path}[{key:?}]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "(absent)".to_owned();
    };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
