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
    sum(text).ok_or_else(|| format!("\"{text}\" is not a duration: {EXAMPLE}"))
}

/// Adds up the parts: units may come in any order and fractions anywhere, as in Go's `time.ParseDuration`, while jiff takes the
/// largest unit first and a fraction in the last one alone.
fn sum(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = split_before(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, after) = split_before(tail, |c| !c.is_alphabetic());
        total = total.checked_add(part(number, unit)?)?;
        rest = after;
    }
    Some(total)
}

fn split_before(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Gives jiff a digit on both sides of the point, and no more than the nine behind it that it takes.
fn part(number: &str, unit: &str) -> Option<Duration> {
    let number = match number.split_once('.') {
        None | Some(("", "")) => number.to_owned(),
        Some((whole, fraction)) => format!("{whole:0>1}.{fraction:0<1.9}"),
    };
    format!("{number}{unit}")
        .parse::<SignedDuration>()
        .ok()?
        .try_into()
        .ok()
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
    fn units_may_come_in_any_order_and_fractions_anywhere() {
        assert_eq!(parse("30m1h"), parse("1h30m"));
        assert_eq!(parse("1.5h30m"), parse("2h"));
        assert_eq!(parse("10s10s"), parse("20s"));
        assert_eq!(parse(".5s"), parse("500ms"));
        assert_eq!(parse("5.s"), parse("5s"));
        assert_eq!(parse("0.12345678901s"), Ok(Duration::from_nanos(123_456_789)));
        assert_eq!(parse("1500µs"), parse("1.5ms"));
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
            ".s",
            "1h.",
            "1h30",
            "1h-5m",
            "1d",
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
