//! Waiting for conditions, never for time.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition that has no notification is looked at.
const PERIOD: Duration = Duration::from_millis(50);

/// Looks until `look` returns something. The limit is a guard against hanging, so make it generous.
///
/// # Panics
/// When the limit passes; the text names what was waited for.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < limit, "after {limit:?} still no {what}");
        thread::sleep(PERIOD);
    }
}
