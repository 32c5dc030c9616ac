//! Durations for people.

/// `0.42s` below ten seconds, `12.3s` below two minutes, then `9m40s`, `2h05m`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{seconds:.2}s")
    } else if seconds < 120.0 {
        format!("{seconds:.1}s")
    } else {
        whole(seconds.round() as u64)
    }
}

/// Whole seconds: `40s`, `9m40s`, `10m`, `2h05m`.
pub(crate) fn whole(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, s) => format!("{s}s"),
        (0, m, 0) => format!("{m}m"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_the_digits_that_matter() {
        assert_eq!(seconds(0.417), "0.42s");
        assert_eq!(seconds(12.34), "12.3s");
        assert_eq!(seconds(580.4), "9m40s");
        assert_eq!(whole(600), "10m");
        assert_eq!(whole(59), "59s");
        assert_eq!(whole(7500), "2h05m");
    }
}
