//! Durations as people write them: `30s`, `10m`, `1h30m`, `250ms`.

use std::time::Duration;

/// Reads a duration with units, as kubectl and Helm do.
///
/// # Errors
/// When there is no unit, an unknown one, or no number.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let example = "write it like 30s, 10m or 1h30m";
    if text.chars().all(|c| c.is_ascii_digit()) && !text.is_empty() {
        return Err(format!("\"{text}\" has no unit: {example}"));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(end);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(format!("\"{text}\" is not a duration: {example}")),
        };
        let number: f64 = number
            .parse()
            .map_err(|_| format!("\"{text}\" is not a duration: {example}"))?;
        total = Duration::try_from_secs_f64(number * seconds)
            .ok()
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| format!("\"{text}\" is too long"))?;
        rest = after;
    }
    if text.is_empty() {
        return Err(format!("an empty duration: {example}"));
    }
    Ok(total)
}

/// A duration that is longer than nothing.
///
/// # Errors
/// As [`parse`], and for zero.
pub(crate) fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err(format!("\"{text}\" is no time at all: write it like 30s, 10m or 1h30m")),
        some => Ok(some),
    }
}

/// kubectl's `--request-timeout`: bare numbers are seconds, 0 means no limit (client-go `clientcmd.ParseTimeout`).
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_request_timeout(text: &str) -> Result<Duration, String> {
    match text.parse::<u64>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn a_number_without_a_unit_is_told_what_to_write() {
        assert_eq!(
            parse("10").unwrap_err(),
            "\"10\" has no unit: write it like 30s, 10m or 1h30m"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "s", "10x", "-5s", "1..5s", "5s ", "99999999999999999999h", "NaNs"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_positive("0s").is_err());
    }

    #[test]
    fn a_request_timeout_may_be_bare_seconds_as_in_kubectl() {
        assert_eq!(parse_request_timeout("0"), Ok(Duration::ZERO));
        assert_eq!(parse_request_timeout("15"), Ok(Duration::from_secs(15)));
        assert_eq!(parse_request_timeout("1m"), Ok(Duration::from_secs(60)));
    }
}
