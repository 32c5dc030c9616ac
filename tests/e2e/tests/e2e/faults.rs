//! Faults between the tool and the API server. A write is never sent twice, what can be read again is, and whatever the
//! run ends with, the state it names is true and the next command leads out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use vllm_rollback_engine::report::{ExitCode, RunReport, StateName};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Call, Caller, Hook, Moment, StatusCode};
use vllm_rollback_harness::tool::Ran;

use crate::fixture::{Model, RELEASE};

/// Acts at the first `times` calls of the tool for which `is_it` holds.
fn at(times: usize, act: Act, is_it: impl Fn(&Call, Moment) -> bool + Send + Sync + 'static) -> Hook {
    let struck = AtomicUsize::new(0);
    Arc::new(move |call, moment| {
        let strikes = call.by == Caller::Tool && is_it(call, moment) && struck.fetch_add(1, Ordering::SeqCst) < times;
        if strikes { act } else { Act::Pass }
    })
}

fn is_before(call: &Call, moment: Moment, method: &str, part: &str) -> bool {
    moment == Moment::Before && call.method == method && call.path.contains(part)
}

fn is_after(call: &Call, moment: Moment, method: &str, part: &str) -> bool {
    moment == Moment::After && call.method == method && call.path.contains(part)
}

/// A plain read: no watch, no stream.
fn is_read(call: &Call, moment: Moment) -> bool {
    is_before(call, moment, "GET", "") && !call.path.contains("watch=") && !call.path.contains("/portforward")
}

/// Rolls a crashed model back through the fault.
fn through(model: &Model, hook: Hook) -> Ran {
    let proxy = ApiProxy::start(model.namespace.testbed, hook);
    let tool = model.tool().kubeconfig(proxy.kubeconfig());
    tool.rollback(RELEASE, &[])
}

/// The run goes through in spite of the fault.
#[track_caller]
fn assert_withstood(hint: &str, hook: Hook) -> Ran {
    let model = Model::crashed(hint, Major::Four);
    let ran = through(&model, hook).expect_code(0);
    assert_eq!(ran.report().outcome, StateName::Done);
    model.assert_serves(1);
    ran
}

/// The run ends so, and the command that it names first brings the model back.
#[track_caller]
fn assert_ends(hint: &str, hook: Hook, ends: &[(StateName, ExitCode)]) -> RunReport {
    let model = Model::crashed(hint, Major::Four);
    let report = through(&model, hook).report();
    let end = (report.outcome, report.exit_code);
    assert!(ends.contains(&end), "{end:?}: {:?}", report.failure);
    match report.outcome {
        StateName::Held => model.assert_out_of_traffic(),
        StateName::Unchanged => assert_eq!(model.statuses().len(), 2),
        _ => {}
    }
    let verb = if report.exit_code == ExitCode::Unknown {
        "resume"
    } else {
        "rollback"
    };
    // The lock of a run that could not give it back runs out by itself.
    let again = vllm_rollback_harness::wait::until("the lock", Duration::from_secs(120), || {
        let ran = model.tool().run(&[verb, RELEASE, "--yes", "-o", "json"]);
        (ran.code != ExitCode::Locked.number()).then_some(ran)
    });
    assert_eq!(again.expect_code(0).report().outcome, StateName::Done);
    model.assert_serves(1);
    report
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let ran = assert_withstood("busy", at(3, Act::Answer(StatusCode::TOO_MANY_REQUESTS), is_read));
    assert!(
        ran.stderr.contains("reading again in"),
        "retries are seen: {}",
        ran.stderr
    );
}

#[test]
fn reads_whose_connection_breaks_are_repeated() {
    // The first read of all finds out whether the cluster can be reached, and fails at once when it cannot.
    let is_later = |call: &Call, moment| is_read(call, moment) && !call.path.contains("/kube-system");
    assert_withstood("broken", at(6, Act::Drop, is_later));
}

#[test]
fn a_watch_that_expired_or_is_silent_is_begun_anew() {
    let is_watch = |call: &Call, moment| is_before(call, moment, "GET", "watch=true");
    assert_withstood("expired", at(4, Act::Answer(StatusCode::GONE), is_watch));
    assert_withstood("silent", at(2, Act::Delay(Duration::from_secs(2)), is_watch));
}

#[test]
fn a_lock_whose_answer_is_lost_is_known_as_its_own() {
    assert_withstood(
        "lock",
        at(1, Act::Drop, |call, moment| is_after(call, moment, "POST", "/leases")),
    );
}

#[test]
fn port_forward_that_is_refused_gives_way_to_the_pod_proxy() {
    let is_forward = |call: &Call, moment| moment == Moment::Before && call.path.contains("/portforward");
    assert_withstood(
        "forward",
        at(usize::MAX, Act::Answer(StatusCode::FORBIDDEN), is_forward),
    );
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
    let hook = at(1, Act::Answer(StatusCode::SERVICE_UNAVAILABLE), |call, moment| {
        is_before(call, moment, "PATCH", "/services/")
    });
    assert_ends("notclosed", hook, &[(StateName::Unchanged, ExitCode::Refused)]);
}

#[test]
fn a_gate_that_was_closed_without_an_answer_is_held_and_given_back() {
    let hook = at(1, Act::Answer(StatusCode::SERVICE_UNAVAILABLE), |call, moment| {
        is_after(call, moment, "PATCH", "/services/")
    });
    assert_ends("closed", hook, &[(StateName::Held, ExitCode::HeldRollbackFailed)]);
}

#[test]
fn a_gate_that_was_opened_without_an_answer_is_closed_again() {
    // The first patch closes, the second opens.
    let patches = AtomicUsize::new(0);
    let hook = at(1, Act::Drop, move |call, moment| {
        is_after(call, moment, "PATCH", "/services/") && patches.fetch_add(1, Ordering::SeqCst) == 1
    });
    assert_ends("opened", hook, &[(StateName::Held, ExitCode::HeldRollbackFailed)]);
}

#[test]
fn credentials_that_run_out_in_the_middle_end_in_a_stated_state() {
    let fenced = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&fenced);
    let hook = at(
        usize::MAX,
        Act::Answer(StatusCode::UNAUTHORIZED),
        move |call, moment| {
            if is_after(call, moment, "PATCH", "/services/") {
                seen.store(1, Ordering::SeqCst);
                return false;
            }
            moment == Moment::Before && seen.load(Ordering::SeqCst) == 1
        },
    );
    let ends = [
        (StateName::Unknown, ExitCode::Unknown),
        (StateName::Held, ExitCode::HeldRollbackFailed),
    ];
    let report = assert_ends("expired-token", hook, &ends);
    assert!(!report.next.is_empty());
    assert_eq!(fenced.load(Ordering::SeqCst), 1);
}
