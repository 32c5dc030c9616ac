//! Kubernetes quantities, exact: `500m`, `1Gi`, `1.5`, `2e3` (k8s.io/apimachinery v0.35 `pkg/api/resource/quantity.go`).

use serde_json::Value;

/// Units of 10⁻⁹ in one: the API rounds finer amounts up.
const PLACES: i64 = 9;
/// The most that a binary suffix makes of anything.
const MOST_BINARY: i128 = i64::MAX as i128 * 1_000_000_000;
/// Stands for all that is larger, of which no object of the API has any.
const MOST: i128 = 10_i128.pow(38);

/// An amount, in units of 10⁻⁹. Two spellings of one amount are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i128);

impl Quantity {
    /// Reads a quantity as the API server does; none for what it refuses.
    ///
    /// ```
    /// use vllm_rollback_objects::quantity::Quantity;
    ///
    /// assert_eq!(Quantity::parse("1024Mi"), Quantity::parse("1Gi"));
    /// assert_ne!(Quantity::parse("1G"), Quantity::parse("1Gi"));
    /// assert_eq!(Quantity::parse("1 GB"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // No digits are a zero, but nothing at all is no quantity.
        if text.is_empty() || fraction.contains('.') {
            return None;
        }
        let (binary, exponent) = unit(suffix)?;
        let digits = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0');
        let point = i64::try_from(whole.len()).ok()?.saturating_add(exponent);
        let mut amount = Decimal::new(digits.collect(), point).times_1024(binary).nanos();
        if binary > 0 {
            amount = amount.min(MOST_BINARY);
        }
        Some(Self(if is_negative { -amount } else { amount }))
    }

    /// Reads a field of an object, where a number is as good as a text.
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::String(text) => Self::parse(text),
            _ => None,
        }
    }

    /// Whole units, rounded up: what is asked for of an extended resource.
    pub fn units(self) -> i128 {
        let one = 10_i128.pow(PLACES.unsigned_abs().try_into().unwrap_or_default());
        self.0.div_euclid(one) + i128::from(self.0.rem_euclid(one) != 0)
    }
}

/// Returns a suffix as a power of 1024 and a power of ten.
fn unit(suffix: &str) -> Option<(u32, i64)> {
    const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    if let Some(at) = BINARY.iter().position(|one| *one == suffix) {
        return Some((u32::try_from(at).ok()? + 1, 0));
    }
    if let Some(at) = DECIMAL.iter().position(|one| *one == suffix) {
        return Some((0, i64::try_from(at).ok()? * 3 - PLACES));
    }
    let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((0, exponent.clamp(-1_000_000, 1_000_000)))
}

/// A decimal number of any length: `digits` with the point before the one at `point`.
struct Decimal {
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    fn new(digits: Vec<u8>, point: i64) -> Self {
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        Self {
            point: point - i64::try_from(zeros).unwrap_or(i64::MAX),
            digits: digits[zeros..].to_vec(),
        }
    }

    fn times_1024(mut self, times: u32) -> Self {
        for _ in 0..times {
            let mut carry = 0_u32;
            for digit in self.digits.iter_mut().rev() {
                let sum = u32::from(*digit) * 1024 + carry;
                *digit = u8::try_from(sum % 10).unwrap_or_default();
                carry = sum / 10;
            }
            while carry > 0 {
                self.digits.insert(0, u8::try_from(carry % 10).unwrap_or_default());
                carry /= 10;
                self.point += 1;
            }
        }
        self
    }

    /// Units of 10⁻⁹, rounded up.
    fn nanos(&self) -> i128 {
        let length = self.point.saturating_add(PLACES);
        if self.digits.is_empty() {
            return 0;
        }
        if length > 38 {
            return MOST;
        }
        let length = usize::try_from(length).unwrap_or(0);
        let all = self.digits.iter().copied().chain(std::iter::repeat(0));
        let whole = all
            .take(length)
            .fold(0, |sum: i128, digit| sum * 10 + i128::from(digit));
        let finer = self.digits.iter().skip(length).any(|digit| *digit != 0);
        whole + i128::from(finer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Made by `resource.ParseQuantity` of k8s.io/apimachinery v0.35.4: a text, and what it is in units of 10⁻⁹.
    #[test]
    fn quantities_are_those_of_the_api_machinery() {
        let mut wrong = Vec::new();
        for line in include_str!("../tests/quantity/apimachinery.jsonl").lines() {
            let (text, wanted): (String, Option<String>) = serde_json::from_str(line).unwrap();
            let read = Quantity::parse(&text).map(|quantity| quantity.0.to_string());
            if read != wanted {
                wrong.push(format!("{text:?} is {wanted:?} and was read as {read:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn an_exponent_of_any_size_is_read_at_once() {
        assert_eq!(Quantity::parse("1e2147483647"), Quantity::parse("1e30"));
        assert_ne!(Quantity::parse("1e28"), Quantity::parse("1e29"));
        assert_eq!(Quantity::parse("1e-2147483647"), Quantity::parse("1n"));
        assert_eq!(Quantity::parse("0e2147483647"), Quantity::parse("0"));
    }

    #[test]
    fn a_field_may_be_a_number_or_a_text() {
        assert_eq!(Quantity::read(&json!(2)), Quantity::read(&json!("2000m")));
        assert_eq!(Quantity::read(&json!(0.5)), Quantity::parse("500m"));
        assert_eq!(Quantity::read(&json!(null)).or(Quantity::read(&json!([1]))), None);
    }

    #[test]
    fn what_is_asked_for_is_rounded_up_to_whole_units() {
        for (text, units) in [
            ("1", 1),
            ("2", 2),
            ("1500m", 2),
            ("1n", 1),
            ("0", 0),
            ("-1500m", -1),
            ("1Ki", 1024),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().units(), units, "{text}");
        }
    }

    fn quantity() -> impl Strategy<Value = String> {
        "[-+]?[0-9]{1,12}(\\.[0-9]{0,12})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]{1,2})?"
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = Quantity::parse(&text);
        }

        #[test]
        fn what_is_written_in_thousandths_is_the_same_amount(text in "[0-9]{1,12}") {
            prop_assert_eq!(Quantity::parse(&format!("{text}000m")), Quantity::parse(&text));
            prop_assert_eq!(Quantity::parse(&format!("{text}e3")), Quantity::parse(&format!("{text}k")));
            prop_assert_eq!(Quantity::parse(&format!("0{text}.0")), Quantity::parse(&text));
        }

        #[test]
        fn a_sign_and_zeros_change_what_they_should(text in quantity()) {
            let bare = text.trim_start_matches(['-', '+']);
            let amount = Quantity::parse(bare).unwrap();
            prop_assert_eq!(Quantity::parse(&format!("-{bare}")).unwrap().0, -amount.0);
            prop_assert_eq!(Quantity::parse(&format!("00{bare}")), Some(amount));
        }
    }
}
