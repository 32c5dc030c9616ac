//! The line between the tool and a place.

use std::time::Duration;

use vllm_rollback_harness::relay::{Mode, Relay};

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// All passes.
    Whole,
    /// Answers are right, and late.
    Slow,
    /// A change reaches the place, and no answer to it arrives.
    Deaf,
}

/// Sets relays; a change is known by these words in the order in which they are sent.
pub(super) fn set(relays: &[Relay], line: Line, late: Duration, change: &'static [&'static str]) {
    let mode = match line {
        Line::Whole => Mode::Whole,
        Line::Slow => Mode::Slow(late),
        Line::Deaf => Mode::Deaf(change),
    };
    for relay in relays {
        relay.set(mode.clone());
    }
}
