//! Connections that stand, and on which no answer ever comes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use vllm_rollback_harness::proxy::{Act, Call, Moment};

use super::{HELD, UNCHANGED, UNKNOWN, assert_ends_with, assert_withstood_with, at, is_after, is_before, is_read};

/// Far longer than any run.
const NEVER: Act = Act::Delay(Duration::from_secs(3600));
/// The tool's own patience, shorter than usual.
const PATIENCE: [&str; 1] = ["--request-timeout=2s"];

#[test]
fn reads_that_are_never_answered_are_given_up_and_repeated() {
    let is_later = |call: &Call, moment| is_read(call, moment) && !call.path.contains("/kube-system");
    let ran = assert_withstood_with("halfopen", at(4, NEVER, is_later), &PATIENCE);
    assert!(ran.stderr.contains("did not answer within 2 s"), "{}", ran.stderr);
}

#[test]
fn a_gate_whose_closing_is_never_answered_ends_in_what_is_seen_then() {
    let is_closing = |call: &Call, moment| is_before(call, moment, "PATCH", "/services/");
    assert_ends_with("halfclose", at(1, NEVER, is_closing), &PATIENCE, &[UNCHANGED]);
    let is_closed = |call: &Call, moment| is_after(call, moment, "PATCH", "/services/");
    assert_ends_with("halfclosed", at(1, NEVER, is_closed), &PATIENCE, &[HELD]);
}

#[test]
fn a_server_that_never_answers_again_behind_the_fence_ends_in_a_stated_state() {
    let is_closed = AtomicUsize::new(0);
    let hook = at(usize::MAX, NEVER, move |call: &Call, moment| {
        if is_after(call, moment, "PATCH", "/services/") {
            is_closed.store(1, Ordering::SeqCst);
            return false;
        }
        moment == Moment::Before && is_closed.load(Ordering::SeqCst) == 1
    });
    assert_ends_with("halfgone", hook, &PATIENCE, &[UNKNOWN, HELD]);
}
