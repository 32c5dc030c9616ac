//! Compares what a manifest wants with what lives, field by field.

use serde_json::Value;
use vllm_rollback_engine::workload::Drift;

use super::quantity;
use crate::redact;

/// How much a comparison asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// What the manifest says is so; more may be there, as after defaulting.
    Covers,
    /// Nothing more may be there either.
    Exact,
}

/// Collects differences of one object.
pub(super) struct Comparison<'a> {
    object: &'a str,
    /// All values are secret.
    secret: bool,
    /// Paths that are not compared.
    ignored: &'a [&'a str],
    pub(super) found: Vec<Drift>,
}

/// Most differences of one object that are told.
const LIMIT: usize = 20;

impl<'a> Comparison<'a> {
    pub(super) fn new(object: &'a str, secret: bool, ignored: &'a [&'a str]) -> Self {
        Self {
            object,
            secret,
            ignored,
            found: Vec::new(),
        }
    }

    pub(super) fn compare(&mut self, path: &str, wanted: &Value, live: &Value, how: How) {
        if self.ignored.contains(&path) || self.found.len() >= LIMIT {
            return;
        }
        match (wanted, live) {
            _ if is_nothing(wanted) && (how == How::Covers || is_nothing(live)) => {}
            (Value::Object(wanted), Value::Object(live)) => {
                for (key, value) in wanted {
                    let path = join(path, key);
                    self.compare(&path, value, live.get(key).unwrap_or(&Value::Null), how);
                }
                if how == How::Exact {
                    for (key, value) in live.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
                        self.compare(&join(path, key), &Value::Null, value, how);
                    }
                }
            }
            (Value::Array(wanted), Value::Array(live)) => self.compare_lists(path, wanted, live, how),
            _ if is_same(wanted, live) => {}
            _ => self.tell(path, wanted, live),
        }
    }

    /// Lists of named things are compared by name, as the API merges them; others by place.
    fn compare_lists(&mut self, path: &str, wanted: &[Value], live: &[Value], how: How) {
        let Some(key) = merge_key(wanted, live) else {
            if wanted.len() != live.len() {
                self.tell(path, &Value::Array(wanted.to_vec()), &Value::Array(live.to_vec()));
                return;
            }
            for (at, (wanted, live)) in wanted.iter().zip(live).enumerate() {
                self.compare(&format!("{path}[{at}]"), wanted, live, how);
            }
            return;
        };
        let find = |list: &'_ [Value], of: &Value| list.iter().find(|v| v[key] == of[key]).cloned();
        for item in wanted {
            let live = find(live, item).unwrap_or(Value::Null);
            self.compare(&element(path, &item[key]), item, &live, how);
        }
        // A list that is set is owned as a whole: an element more is a leftover.
        for item in live.iter().filter(|item| find(wanted, item).is_none()) {
            self.tell(&element(path, &item[key]), &Value::Null, item);
        }
    }

    fn tell(&mut self, path: &str, wanted: &Value, live: &Value) {
        if self.found.len() >= LIMIT {
            return;
        }
        let secret = self.secret || holds_secret(path);
        self.found.push(Drift {
            object: self.object.to_owned(),
            path: path.to_owned(),
            wanted: shown(wanted, secret),
            live: shown(live, secret),
        });
    }
}

/// `spec.containers[vllm].env[HF_TOKEN].value` names a secret.
fn holds_secret(path: &str) -> bool {
    let names = path.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    let in_env = path.contains(".env[") && names.last().is_some_and(redact::is_secret_name);
    in_env
        || path
            .rsplit('.')
            .next()
            .is_some_and(|key| key.starts_with("annotations") && redact::is_secret_name(key))
}

fn shown(value: &Value, secret: bool) -> Option<String> {
    if value.is_null() {
        return None;
    }
    if secret {
        return Some(redact::HIDDEN.to_owned());
    }
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = redact::text(&text);
    Some(if text.chars().count() > 200 {
        text.chars().take(200).chain(['…']).collect()
    } else {
        text
    })
}

fn join(path: &str, key: &str) -> String {
    // Keys of labels and annotations hold dots.
    let key = if key.contains('.') {
        format!("[{key}]")
    } else {
        format!(".{key}")
    };
    let joined = format!("{path}{key}");
    joined.strip_prefix('.').unwrap_or(&joined).to_owned()
}

fn element(path: &str, key: &Value) -> String {
    match key {
        Value::String(name) => format!("{path}[{name}]"),
        other => format!("{path}[{other}]"),
    }
}

/// The key by which elements of a list are told apart; none when they are not all named, or a name stands twice.
fn merge_key(wanted: &[Value], live: &[Value]) -> Option<&'static str> {
    ["name", "mountPath", "containerPort", "port", "key"]
        .into_iter()
        .find(|key| {
            let unique = |list: &[Value]| {
                let mut seen: Vec<&Value> = Vec::new();
                list.iter().all(|item| match item.get(*key) {
                    Some(name) if !name.is_null() && !seen.contains(&name) => {
                        seen.push(name);
                        true
                    }
                    _ => false,
                })
            };
            !(wanted.is_empty() && live.is_empty()) && unique(wanted) && unique(live)
        })
}

/// The API drops what is empty.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn is_same(wanted: &Value, live: &Value) -> bool {
    if wanted == live {
        return true;
    }
    match (wanted, live) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) => {
            quantity::parse(wanted).is_some_and(|a| quantity::parse(live) == Some(a))
        }
        // A field that is false is left out by many types.
        (Value::Bool(false), Value::Null) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(wanted: &Value, live: &Value, how: How) -> Vec<String> {
        let mut comparison = Comparison::new("Deployment/d", false, &[]);
        comparison.compare("spec", wanted, live, how);
        comparison.found.into_iter().map(|d| d.path).collect()
    }

    #[test]
    fn defaults_are_no_drift_unless_the_comparison_is_exact() {
        let wanted = json!({"a": 1});
        let live = json!({"a": 1, "b": 2});
        assert!(paths(&wanted, &live, How::Covers).is_empty());
        assert_eq!(paths(&wanted, &live, How::Exact), ["spec.b"]);
    }

    #[test]
    fn a_leftover_variable_of_a_failed_upgrade_is_found() {
        let env = |names: &[&str]| {
            let env: Vec<_> = names.iter().map(|n| json!({"name": n, "value": "1"})).collect();
            json!({"containers": [{"name": "vllm", "env": env}]})
        };
        let found = paths(&env(&["A"]), &env(&["A", "LEFT"]), How::Covers);
        assert_eq!(found, ["spec.containers[vllm].env[LEFT]"]);
    }

    #[test]
    fn lists_of_named_things_are_compared_by_name_and_others_by_place() {
        let ports = |order: [&str; 2]| json!({"p": order.map(|n| json!({"name": n}))});
        assert!(paths(&ports(["a", "b"]), &ports(["b", "a"]), How::Exact).is_empty());
        assert_eq!(
            paths(&json!({"args": ["a"]}), &json!({"args": ["b"]}), How::Covers),
            ["spec.args[0]"]
        );
        assert_eq!(
            paths(&json!({"args": ["a"]}), &json!({"args": ["a", "b"]}), How::Covers),
            ["spec.args"]
        );
    }

    #[test]
    fn quantities_that_mean_the_same_are_the_same() {
        let wanted = json!({"cpu": "1000m", "memory": "1024Mi", "gpu": 1, "empty": {}});
        let live = json!({"cpu": "1", "memory": "1Gi", "gpu": "1"});
        assert!(paths(&wanted, &live, How::Exact).is_empty());
    }

    #[test]
    fn values_of_secret_variables_are_hidden() {
        let pod = |value: &str| json!({"env": [{"name": "HF_TOKEN", "value": value}]});
        let mut comparison = Comparison::new("Deployment/d", false, &[]);
        comparison.compare("spec", &pod("canary1"), &pod("canary2"), How::Covers);
        let text = format!("{:?}", comparison.found);
        assert!(!text.contains("canary") && text.contains("HF_TOKEN"), "{text}");
    }

    #[test]
    fn a_path_that_is_ignored_is_not_compared() {
        let mut comparison = Comparison::new("Deployment/d", false, &["spec.replicas"]);
        comparison.compare("spec", &json!({"replicas": 1}), &json!({"replicas": 3}), How::Exact);
        assert!(comparison.found.is_empty());
    }
}
