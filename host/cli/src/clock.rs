//! The machine's clocks.

use std::time::{Duration, Instant};

use vllm_rollback_engine::ports::Clock;

/// The machine's clocks; monotonic time counts from its making.
#[derive(Debug)]
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    /// Starts counting.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> String {
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_rfc_3339_in_utc() {
        let wall = SystemClock::start().wall();
        assert!(wall.ends_with('Z') && wall.parse::<jiff::Timestamp>().is_ok(), "{wall}");
    }
}
