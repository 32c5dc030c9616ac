//! When a failed read is tried again. Writes never are: their effect may have happened.
//!
//! kube's own retry is off, since it replays POST and PATCH too and stays silent for minutes (kube#2082).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::ApiError;

/// Is told of every retry, one line each.
#[derive(Clone)]
pub struct RetryListener(Arc<dyn Fn(&str) + Send + Sync>);

impl RetryListener {
    /// Calls this function with each line.
    pub fn new(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(crate) fn tell(&self, line: &str) {
        (self.0)(line);
    }
}

impl fmt::Debug for RetryListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryListener")
    }
}

/// Pauses between the tries of one read.
pub(crate) struct Pauses {
    next: Duration,
    left: Duration,
}

impl Pauses {
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(5);

    /// Pauses that sum up to at most `budget`.
    pub(crate) fn new(budget: Duration) -> Self {
        Self {
            next: Self::FIRST,
            left: budget,
        }
    }

    /// How long to pause before the next try; none when the error lasts or the budget is spent.
    pub(crate) fn after(&mut self, error: &ApiError) -> Option<Duration> {
        if !error.is_transient() {
            return None;
        }
        let pause = error.retry_after.unwrap_or(self.next).max(self.next);
        self.left = self.left.checked_sub(pause)?;
        self.next = (self.next * 2).min(Self::LONGEST);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_within_the_budget() {
        let error = ApiError::no_answer(Duration::from_secs(1));
        let mut pauses = Pauses::new(Duration::from_secs(2));
        let taken: Vec<_> = std::iter::from_fn(|| pauses.after(&error))
            .map(|p| p.as_millis())
            .collect();
        assert_eq!(taken, [200, 400, 800]);
    }

    #[test]
    fn what_does_not_heal_is_not_tried_again() {
        let mut pauses = Pauses::new(Duration::from_secs(60));
        assert_eq!(pauses.after(&ApiError::invalid("x")), None);
    }

    #[test]
    fn the_servers_own_wish_to_wait_is_kept() {
        let mut error = ApiError::no_answer(Duration::from_secs(1));
        error.retry_after = Some(Duration::from_secs(3));
        assert_eq!(
            Pauses::new(Duration::from_secs(60)).after(&error),
            Some(Duration::from_secs(3))
        );
    }
}
