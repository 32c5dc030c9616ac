//! When a failed read is tried again. Writes never are: their effect may have happened.
//!
//! kube's own retry is off, since it replays POST and PATCH too and stays silent for minutes (kube#2082).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;

use super::error::ApiError;

/// Is told of every retry, one line each.
#[derive(Clone)]
pub struct RetryListener(Arc<dyn Fn(&str) + Send + Sync>);

impl RetryListener {
    /// Calls this function with each line.
    pub fn new(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(crate) fn announce(&self, line: &str) {
        (self.0)(line);
    }
}

impl fmt::Debug for RetryListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryListener")
    }
}

/// Pauses between the tries of one read. With jitter, so that the runs of a whole fleet do not come back in step.
pub(crate) fn pauses() -> ExponentialBuilder {
    without_jitter().with_jitter()
}

const fn without_jitter() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .without_max_times()
}

/// Makes each pause as long as the server asks for, and lets all of them together take at most `budget`.
pub(crate) fn within(budget: Duration) -> impl FnMut(&ApiError, Option<Duration>) -> Option<Duration> {
    // backon's own limit does not count what the server asked for.
    let mut left = budget;
    move |error, pause| {
        let pause = pause?.max(error.retry_after.unwrap_or_default());
        left = left.checked_sub(pause)?;
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder as _;

    use super::*;

    /// The pauses after failures like this one, in milliseconds.
    fn taken(pauses: ExponentialBuilder, budget: Duration, error: &ApiError) -> Vec<u128> {
        let mut within = within(budget);
        let taken = pauses.build().map_while(|pause| within(error, Some(pause)));
        taken.map(|pause| pause.as_millis()).collect()
    }

    #[test]
    fn pauses_double_and_stay_within_the_budget() {
        let error = ApiError::no_answer(Duration::from_secs(1));
        assert_eq!(taken(without_jitter(), Duration::from_secs(2), &error), [200, 400, 800]);
    }

    #[test]
    fn two_clients_that_failed_together_do_not_come_back_together() {
        let error = ApiError::no_answer(Duration::from_secs(1));
        let [one, other] = [1, 2].map(|seed| taken(pauses().with_jitter_seed(seed), Duration::from_secs(60), &error));
        assert_ne!(one, other);
        for pauses in [one, other] {
            assert!((200..400).contains(&pauses[0]), "{pauses:?}");
            assert!(pauses.iter().all(|pause| *pause <= 10_000), "{pauses:?}");
            assert!(pauses.iter().sum::<u128>() <= 60_000, "{pauses:?}");
        }
    }

    #[test]
    fn the_servers_own_wish_to_wait_is_kept_and_counts() {
        let mut error = ApiError::no_answer(Duration::from_secs(1));
        error.retry_after = Some(Duration::from_secs(3));
        assert_eq!(taken(without_jitter(), Duration::from_secs(7), &error), [3000, 3000]);
    }
}
