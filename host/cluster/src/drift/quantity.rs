//! Kubernetes quantities: `500m`, `1Gi`, `2`.

use serde_json::Value;

/// The value in thousandths; none for what is not a quantity.
pub(crate) fn parse(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => milli(&number.to_string()),
        Value::String(text) => milli(text.trim()),
        _ => None,
    }
}

/// Whole units, rounded up: what is asked for of an extended resource.
pub(crate) fn units(value: &Value) -> i128 {
    parse(value).map_or(0, |milli| (milli + 999).div_euclid(1000))
}

fn milli(text: &str) -> Option<i128> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (numerator, denominator): (i128, i128) = match suffix {
        "" => (1000, 1),
        "n" => (1, 1_000_000),
        "u" => (1, 1000),
        "m" => (1, 1),
        "k" => (1_000_000, 1),
        "M" => (1_000_000_000, 1),
        "G" => (1_000_000_000_000, 1),
        "T" => (1_000_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1000 << 10, 1),
        "Mi" => (1000 << 20, 1),
        "Gi" => (1000 << 30, 1),
        "Ti" => (1000 << 40, 1),
        "Pi" => (1000 << 50, 1),
        _ => {
            let power: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (10_i128.checked_pow(power.checked_add(3)?)?, 1)
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || !fraction.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    digits
        .checked_mul(numerator)?
        .checked_div(scale.checked_mul(denominator)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn suffixes_are_understood() {
        for (text, milli) in [
            ("1", 1000),
            ("500m", 500),
            ("0.5", 500),
            ("1Ki", 1_024_000),
            ("1.5Gi", 1_610_612_736_000),
            ("2e3", 2_000_000),
            ("-1", -1000),
        ] {
            assert_eq!(parse(&json!(text)), Some(milli), "{text}");
        }
        for text in ["", "a", "1.2.3", "1x", "1e99"] {
            assert_eq!(parse(&json!(text)), None, "{text}");
        }
        assert_eq!(units(&json!("1")), 1);
        assert_eq!(units(&json!(2)), 2);
        assert_eq!(units(&json!("1500m")), 2);
    }
}
