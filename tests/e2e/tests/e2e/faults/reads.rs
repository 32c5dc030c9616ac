//! Reads and watches: what can be asked again is, visibly.

use std::time::Duration;

use vllm_rollback_harness::proxy::{Act, Call, Caller, Moment, StatusCode};

use super::{assert_withstood, at, is_before, is_read};

fn is_watch(call: &Call, moment: Moment) -> bool {
    is_before(call, moment, "GET", "watch=true")
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    // The proxy answers as the API server does: two seconds, in the header alone.
    let ran = assert_withstood("busy", at(3, Act::Answer(StatusCode::TOO_MANY_REQUESTS), is_read));
    assert!(
        ran.stderr.contains("reading again in 2.0 s"),
        "retries are seen: {}",
        ran.stderr
    );
}

#[test]
fn a_server_that_is_starting_is_asked_again() {
    let ran = assert_withstood("starting", at(3, Act::Answer(StatusCode::SERVICE_UNAVAILABLE), is_read));
    assert!(ran.stderr.contains("reading again in"), "{}", ran.stderr);
}

#[test]
fn reads_whose_connection_breaks_are_repeated() {
    // The first read of all finds out whether the cluster can be reached, and fails at once when it cannot.
    let is_later = |call: &Call, moment| is_read(call, moment) && !call.path.contains("/kube-system");
    assert_withstood("broken", at(6, Act::Drop, is_later));
}

#[test]
fn a_watch_that_expired_or_comes_late_is_begun_anew() {
    assert_withstood("expired", at(4, Act::Answer(StatusCode::GONE), is_watch));
    assert_withstood("late", at(2, Act::Delay(Duration::from_secs(2)), is_watch));
}

#[test]
fn what_silent_watches_do_not_tell_is_seen_all_the_same() {
    // Every watch of the run is open and says nothing.
    assert_withstood("silent", at(usize::MAX, Act::Silence, is_watch));
}

#[test]
fn a_slow_server_makes_a_slow_run_and_no_other() {
    let is_call = |call: &Call, moment| moment == Moment::Before && call.by == Caller::Tool;
    let ran = assert_withstood("slow", at(usize::MAX, Act::Delay(Duration::from_secs(1)), is_call));
    assert!(ran.took > Duration::from_secs(5), "it was not slow: {:?}", ran.took);
}

#[test]
fn five_seconds_for_each_change_are_waited_for() {
    let is_change = |call: &Call, moment| moment == Moment::Before && call.change > 0;
    assert_withstood(
        "slowwrites",
        at(usize::MAX, Act::Delay(Duration::from_secs(5)), is_change),
    );
}
