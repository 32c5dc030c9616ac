//! What Helm would leave behind. It removes only what the newest record declares and the target does not, whatever the
//! newest record's status (helm#13346); what neither declares stays, although an older revision brought it.

use serde_json::Value;

use crate::comparison::{elements, field};
use crate::diff::by_identity;
use crate::identity::Object;
use crate::manifest::Manifest;

/// Fields that `applied` declares, that are live, and that a rollback from `current` to `target` does not touch, as
/// `Deployment/llama: spec.…env[X]`, or `Job/x` where it is the whole object. No values: they may be secret.
pub fn orphaned_fields(applied: &Manifest, current: &Manifest, target: &Manifest, live: &[Object]) -> Vec<String> {
    let (current, target) = (by_identity(&current.objects), by_identity(&target.objects));
    let live = by_identity(live);
    let mut found = Vec::new();
    for object in &applied.objects {
        let identity = object.identity();
        let Some(live) = live.get(&identity) else {
            continue;
        };
        match (current.get(&identity), target.get(&identity)) {
            (None, None) if object.is_kept() => {}
            (None, None) => found.push(identity.to_string()),
            // Helm deletes it, with all its fields.
            (Some(_), None) => {}
            (current, Some(target)) => {
                let mut paths = Vec::new();
                let current = current.map(|current| &current.json);
                walk(&mut paths, "", &object.json, current, &target.json, &live.json);
                found.extend(paths.into_iter().map(|path| format!("{identity}: {path}")));
            }
        }
    }
    found
}

fn walk(paths: &mut Vec<String>, path: &str, applied: &Value, current: Option<&Value>, target: &Value, live: &Value) {
    match (applied, target, live) {
        (Value::Object(applied), Value::Object(target), Value::Object(live)) => {
            for (key, value) in applied {
                let current = current.and_then(|current| current.get(key));
                visit(paths, field(path, key), value, current, target.get(key), live.get(key));
            }
        }
        (Value::Array(applied), Value::Array(target), Value::Array(live)) => {
            let current = current.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            // A list without merge keys is written as a whole, so nothing of it stays.
            let Some([applied, current, target, live]) = elements([applied, current, target, live]) else {
                return;
            };
            for (name, value) in applied {
                let [current, target, live] = [&current, &target, &live].map(|side| side.get(&name).copied());
                visit(paths, format!("{path}[{name}]"), value, current, target, live);
            }
        }
        _ => {}
    }
}

fn visit(
    paths: &mut Vec<String>,
    path: String,
    applied: &Value,
    current: Option<&Value>,
    target: Option<&Value>,
    live: Option<&Value>,
) {
    match (current, target, live) {
        (None, None, Some(_)) => paths.push(path),
        (current, Some(target), Some(live)) => walk(paths, &path, applied, current, target, live),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(env: &[&str], more: &str) -> String {
        let env: Vec<String> = env.iter().map(|name| format!("{{name: {name}, value: x}}")).collect();
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: llama}}\nspec:\n  replicas: 1\n{more}  template:\n    spec:\n      containers:\n        - name: vllm\n          env: [{}]\n",
            env.join(", ")
        )
    }

    fn paths(applied: &str, current: &str, target: &str, live: &str) -> Vec<String> {
        let [applied, current, target, live] =
            [applied, current, target, live].map(|text| Manifest::parse(text, "ml").unwrap());
        orphaned_fields(&applied, &current, &target, &live.objects)
    }

    #[test]
    fn a_field_that_only_a_third_revision_declares_stays_behind() {
        let (good, bad) = (deployment(&["A"], ""), deployment(&["A", "BAD"], "  paused: true\n"));
        assert_eq!(
            paths(&bad, &good, &good, &bad),
            [
                "Deployment/llama: spec.paused",
                "Deployment/llama: spec.template.spec.containers[vllm].env[BAD]"
            ]
        );
    }

    #[test]
    fn nothing_stays_that_helm_knows_of_or_that_is_not_live() {
        let (good, bad) = (deployment(&["A"], ""), deployment(&["A", "BAD"], ""));
        assert!(
            paths(&bad, &bad, &good, &bad).is_empty(),
            "the newest record declares it"
        );
        assert!(paths(&bad, &good, &bad, &bad).is_empty(), "the target wants it");
        assert!(paths(&bad, &good, &good, &good).is_empty(), "it is not live");
    }

    #[test]
    fn an_object_that_only_a_third_revision_has_stays_behind_unless_it_is_to_be_kept() {
        let good = deployment(&["A"], "");
        let job = "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: extra}\n";
        let bad = format!("{good}{job}");
        assert_eq!(paths(&bad, &good, &good, &bad), ["Job/extra"]);
        assert!(paths(&bad, &bad, &good, &bad).is_empty(), "Helm deletes it");
        let kept = bad.replace(
            "{name: extra}",
            "{name: extra, annotations: {helm.sh/resource-policy: keep}}",
        );
        assert!(paths(&kept, &good, &good, &kept).is_empty());
    }
}
