//! Kubernetes quantities, as far as telling whether two texts mean the same amount.

/// `1000m` and `1`, `1024Mi` and `1Gi`, `2` and `2.0` are the same; the API server rewrites one to the other
/// (k8s.io/apimachinery v0.35 `pkg/api/resource/quantity.go`).
pub(super) fn same_amount(a: &str, b: &str) -> bool {
    matches!((nanos(a), nanos(b)), (Some(a), Some(b)) if a == b)
}

/// The amount in units of 10⁻⁹; none when the text is no quantity or does not fit.
fn nanos(text: &str) -> Option<i128> {
    let digits_end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || (*at == 0 && matches!(c, '+' | '-'))))
        .map_or(text.len(), |(at, _)| at);
    let (number, suffix) = text.split_at(digits_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    mantissa.checked_mul(unit(suffix)?).map(|scaled| scaled / scale)
}

fn unit(suffix: &str) -> Option<i128> {
    const ONE: i128 = 1_000_000_000;
    const DECIMAL: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let power = |list: [&str; 6]| {
        list.iter()
            .position(|s| *s == suffix)
            .and_then(|at| u32::try_from(at + 1).ok())
    };
    match suffix {
        "" => Some(ONE),
        "n" => Some(1),
        "u" => Some(1_000),
        "m" => Some(1_000_000),
        _ => {
            if let Some(power) = power(DECIMAL) {
                return 1_000_i128.checked_pow(power)?.checked_mul(ONE);
            }
            if let Some(power) = power(BINARY) {
                return 1_024_i128.checked_pow(power)?.checked_mul(ONE);
            }
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            10_i128.checked_pow(exponent)?.checked_mul(ONE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_amount_in_two_spellings_is_the_same() {
        for (a, b) in [
            ("1000m", "1"),
            ("1024Mi", "1Gi"),
            ("0.5", "500m"),
            ("2.0", "2"),
            ("1e3", "1k"),
        ] {
            assert!(same_amount(a, b), "{a} {b}");
        }
        for (a, b) in [("1", "2"), ("1G", "1Gi"), ("", ""), ("x", "x"), ("1Q", "1Q")] {
            assert!(!same_amount(a, b), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(a in ".{0,60}", b in "[-+]?[0-9.]{0,40}[a-zA-Z]{0,3}[0-9]{0,12}") {
            let _ = same_amount(&a, &b);
        }
    }
}
