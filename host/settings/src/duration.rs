//! Durations as people write them: `30s`, `10m`, `1h30m`, `250ms`.

use std::time::Duration;

use jiff::SignedDuration;

const EXAMPLE: &str = "write it like 30s, 10m or 1h30m";

/// Reads a duration with units, as kubectl and Helm do.
///
/// # Errors
/// When there is no unit, an unknown one, or no number.
pub fn parse(text: &str) -> Result<Duration, String> {
    if text.is_empty() {
        return Err(format!("an empty duration: {EXAMPLE}"));
    }
    if text.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("\"{text}\" has no unit: {EXAMPLE}"));
    }
    let signed = text.parse::<SignedDuration>().ok();
    signed
        .and_then(|signed| signed.try_into().ok())
        .ok_or_else(|| format!("\"{text}\" is not a duration: {EXAMPLE}"))
}

/// A duration that is longer than nothing.
///
/// # Errors
/// As [`parse`], and for zero.
pub fn parse_positive(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err(format!("\"{text}\" is no time at all: {EXAMPLE}")),
        some => Ok(some),
    }
}

/// kubectl's `--request-timeout`: bare numbers are seconds, 0 means no limit (client-go `clientcmd.ParseTimeout`).
///
/// # Errors
/// As [`parse`].
pub fn parse_request_timeout(text: &str) -> Result<Duration, String> {
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
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1h30m15.25s"), Ok(Duration::from_millis(5_415_250)));
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
        for text in [
            "",
            "s",
            "10x",
            "-5s",
            "5m ago",
            "1..5s",
            "1d",
            "30m1h",
            "99999999999999999999h",
            "NaNs",
        ] {
            let why = parse(text).unwrap_err();
            assert!(why.contains("write it like 30s"), "{text}: {why}");
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
