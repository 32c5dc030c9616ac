//! A write whose answer is an error: the API server did it or did not, and nobody may guess.

use std::sync::atomic::{AtomicUsize, Ordering};

use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_harness::proxy::{Act, Call, Moment, StatusCode};

use super::{HELD, UNCHANGED, assert_ends, assert_withstood, at, is_after, is_before};

const UNAVAILABLE: Act = Act::Answer(StatusCode::SERVICE_UNAVAILABLE);
const CONFLICT: Act = Act::Answer(StatusCode::CONFLICT);
const LOCK: (&str, &str) = ("POST", "/leases");
const UNLOCK: (&str, &str) = ("DELETE", "/leases/");
const FIRST_MEMORY: (&str, &str) = ("POST", "/configmaps");
const LATER_MEMORY: (&str, &str) = ("PUT", "/configmaps/");

fn before((method, part): (&'static str, &'static str)) -> impl Fn(&Call, Moment) -> bool {
    move |call, moment| is_before(call, moment, method, part)
}

fn after((method, part): (&'static str, &'static str)) -> impl Fn(&Call, Moment) -> bool {
    move |call, moment| is_after(call, moment, method, part)
}

/// The nth patch of the Service: the first closes the gate, the second opens it.
fn gate(nth: usize, at: Moment) -> impl Fn(&Call, Moment) -> bool {
    let patches = AtomicUsize::new(0);
    move |call, moment| {
        let is_patch = moment == at && call.method == "PATCH" && call.path.contains("/services/");
        is_patch && patches.fetch_add(1, Ordering::SeqCst) + 1 == nth
    }
}

#[test]
fn a_lock_that_was_not_taken_leaves_everything_as_it_was() {
    assert_ends("lockno", at(1, UNAVAILABLE, before(LOCK)), &[UNCHANGED]);
    assert_ends("lockconflict", at(1, CONFLICT, before(LOCK)), &[UNCHANGED]);
}

#[test]
fn a_lock_whose_answer_is_lost_is_known_as_its_own() {
    assert_withstood("lockdrop", at(1, Act::Drop, after(LOCK)));
    assert_withstood("lock503", at(1, UNAVAILABLE, after(LOCK)));
}

#[test]
fn a_lock_that_could_not_be_given_back_is_said_and_runs_out() {
    let ran = assert_withstood("unlock", at(usize::MAX, UNAVAILABLE, before(UNLOCK)));
    assert!(ran.stderr.contains("runs out by itself"), "{}", ran.stderr);
    assert_withstood("unlocked", at(1, UNAVAILABLE, after(UNLOCK)));
}

#[test]
fn a_memory_that_was_not_written_before_the_fence_leaves_everything_as_it_was() {
    assert_ends("memno", at(1, UNAVAILABLE, before(FIRST_MEMORY)), &[UNCHANGED]);
    assert_ends("memconflict", at(1, CONFLICT, before(FIRST_MEMORY)), &[UNCHANGED]);
}

#[test]
fn a_memory_that_was_written_without_an_answer_is_found_again() {
    assert_withstood("memyes", at(1, UNAVAILABLE, after(FIRST_MEMORY)));
    assert_withstood("memlateryes", at(1, Act::Drop, after(LATER_MEMORY)));
}

#[test]
fn a_memory_that_fails_behind_the_fence_holds_the_model() {
    assert_ends("memlater", at(1, UNAVAILABLE, before(LATER_MEMORY)), &[HELD]);
    assert_ends("memlaterconflict", at(1, CONFLICT, before(LATER_MEMORY)), &[HELD]);
}

#[test]
fn a_user_who_may_not_keep_the_memory_in_the_cluster_is_told() {
    let is_memory =
        |call: &Call, moment| moment == Moment::Before && call.change > 0 && call.path.contains("/configmaps");
    let ran = assert_withstood("memory", at(usize::MAX, Act::Answer(StatusCode::FORBIDDEN), is_memory));
    assert!(ran.stderr.contains("this machine only"), "{}", ran.stderr);
}

#[test]
fn a_gate_that_the_server_did_not_close_leaves_everything_as_it_was() {
    assert_ends("notclosed", at(1, UNAVAILABLE, gate(1, Moment::Before)), &[UNCHANGED]);
    assert_ends("closeconflict", at(1, CONFLICT, gate(1, Moment::Before)), &[UNCHANGED]);
}

#[test]
fn a_gate_that_was_closed_without_an_answer_is_held_and_given_back() {
    assert_ends("closed", at(1, UNAVAILABLE, gate(1, Moment::After)), &[HELD]);
}

#[test]
fn a_gate_that_the_server_did_not_open_stays_closed() {
    assert_ends("notopened", at(1, UNAVAILABLE, gate(2, Moment::Before)), &[HELD]);
}

#[test]
fn a_conflict_on_the_way_is_looked_at_and_the_write_made_anew() {
    assert_withstood("openconflict", at(1, CONFLICT, gate(2, Moment::Before)));
}

#[test]
fn a_gate_that_was_opened_without_an_answer_is_closed_again() {
    assert_ends("opendrop", at(1, Act::Drop, gate(2, Moment::After)), &[HELD]);
    assert_ends("open503", at(1, UNAVAILABLE, gate(2, Moment::After)), &[HELD]);
}

#[test]
fn a_server_that_is_gone_after_the_fence_ends_in_a_stated_state() {
    // Everything is refused once the gate is closed, reads too: nothing can be proved any more.
    let is_closed = AtomicUsize::new(0);
    let hook = at(usize::MAX, Act::Drop, move |call, moment| {
        if is_after(call, moment, "PATCH", "/services/") {
            is_closed.store(1, Ordering::SeqCst);
            return false;
        }
        moment == Moment::Before && is_closed.load(Ordering::SeqCst) == 1
    });
    assert_ends("gone", hook, &[(StateName::Unknown, ExitCode::Unknown)]);
}
