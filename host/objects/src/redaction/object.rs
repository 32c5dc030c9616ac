//! Secrets in objects of the API.

use serde_json::Value;

use super::text::shown;
use super::{hidden, is_secret_name, text};
use crate::fields::Fields;

/// An object without its secrets: all values of a Secret, and elsewhere what its name or its form gives away. Only texts
/// change.
pub fn object(value: &Value) -> Value {
    let word = |key: &str| value[key].as_str().unwrap_or_default();
    part(&Fields::of_kind(word("apiVersion"), word("kind")), &[], value)
}

/// As [`object`], for the part of an object that `path` leads to.
pub fn part(fields: &Fields, path: &[&str], value: &Value) -> Value {
    let mut clean = value.clone();
    if !fields.is_secret() {
        redact(&mut clean);
        return clean;
    }
    if let Some("data" | "stringData") = path.first().copied() {
        hide(&mut clean);
    }
    for field in ["data", "stringData"] {
        if let Some(values) = clean.get_mut(field).filter(|_| path.is_empty()) {
            hide(values);
        }
    }
    // Annotations may quote the whole object.
    redact(&mut clean);
    clean
}

/// Hides all texts and numbers below.
fn hide(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(map) => map.values_mut().for_each(hide),
        Value::String(text) => *text = shown(text),
        Value::Number(number) => *value = hidden(&number.to_string()).into(),
        _ => {}
    }
}

fn redact(value: &mut Value) {
    match value {
        Value::String(words) => *words = quoted_json(words).unwrap_or_else(|| text(words)),
        Value::Array(items) => list(items),
        Value::Object(map) => {
            let is_secret_variable = map.get("name").and_then(Value::as_str).is_some_and(is_secret_name);
            for (key, value) in map {
                match value {
                    // `secretName: x` and `secret: {...}` name an object; a text below such a name is the secret.
                    Value::String(text) if is_secret_name(key) || (is_secret_variable && key == "value") => {
                        *text = shown(text);
                    }
                    other => redact(other),
                }
            }
        }
        _ => {}
    }
}

/// Words of a command line: what follows `--api-key`, up to the next option, are its values.
fn list(items: &mut [Value]) {
    let mut follows_flag = false;
    for item in items {
        match item {
            Value::String(word) if word.starts_with('-') => {
                follows_flag = word.starts_with("--") && !word.contains(['=', ' ']) && is_secret_name(word);
                *word = text(word);
            }
            Value::String(word) if follows_flag => *word = shown(word),
            other => redact(other),
        }
    }
}

/// An annotation may hold an object as JSON.
fn quoted_json(text: &str) -> Option<String> {
    if !text.starts_with('{') {
        return None;
    }
    let inner: Value = serde_json::from_str(text).ok()?;
    let clean = object(&inner);
    Some(if clean == inner {
        text.to_owned()
    } else {
        clean.to_string()
    })
}
