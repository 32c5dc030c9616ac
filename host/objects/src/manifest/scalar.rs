//! Plain scalars as Helm reads them: YAML 1.1, as in `resolve.go` of go.yaml.in/yaml v2, which sigs.k8s.io/yaml uses.

use serde_json::{Number, Value};

/// The value of a plain scalar without a tag. None for a number that JSON has not (`.nan`, `.inf`), which Helm refuses.
pub(super) fn resolve(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return None,
        _ if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF") => {
            return None;
        }
        _ => number(text).unwrap_or_else(|| Value::from(text)),
    })
}

/// A key of a map as JSON has it; none for one that Helm refuses.
pub(super) fn key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Underscores are left out; `0644`, `0o644`, `0x1F` and `0b1` are whole numbers, `08` is a decimal one.
fn number(text: &str) -> Option<Value> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let plain = text.replace('_', "");
    whole(&plain).or_else(|| decimal(&plain))
}

fn whole(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some(_) if lower.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !digits.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let amount = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(amount).map(Value::from);
    }
    Some(Value::from(amount))
}

/// `yamlStyleFloat`: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, which is what Rust reads, but for words such as `inf`.
fn decimal(text: &str) -> Option<Value> {
    let is_word = text.contains(|c: char| !c.is_ascii_digit() && !matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    if is_word { None } else { float(text.parse().ok()?) }
}

/// A float as Go writes it into JSON: a whole one has no fraction, so Kubernetes reads it as an integer.
fn float(value: f64) -> Option<Value> {
    if !value.is_finite() {
        return None;
    }
    let text = value.to_string();
    let integer = text.parse::<i64>().ok().map(Value::from);
    integer.or_else(|| Number::from_f64(value).map(Value::Number))
}
