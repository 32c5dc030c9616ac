//! Ctrl-C and its like, at a real terminal. Whatever was under way, the run ends in a stated state and `resume` finishes
//! it; Helm is never stopped half-way.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::process::Running;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Call, Caller, Hook, Moment};
use vllm_rollback_harness::terminal::Terminal;
use vllm_rollback_harness::wait;

use crate::fixture::{CRASH, Model, RELEASE, until_said};
use crate::on_both_helms;

/// Longer than a run needs to stop, shorter than the loads that it would otherwise wait for.
const SOON: Duration = Duration::from_secs(20);
const HANG: Duration = Duration::from_secs(120);

/// Makes the first such call take this long, and tells when it is there.
fn slow(is_it: impl Fn(&Call) -> bool + Send + Sync + 'static, time: Duration) -> (Hook, Arc<AtomicBool>) {
    let reached = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&reached);
    let hook: Hook = Arc::new(move |call, moment| {
        if moment == Moment::Before && is_it(call) && !seen.swap(true, Ordering::SeqCst) {
            return Act::Delay(time);
        }
        Act::Pass
    });
    (hook, reached)
}

/// Helm writes the Deployment: its record says pending, and its work is half done.
fn is_helms_write(call: &Call) -> bool {
    call.by == Caller::Helm && call.method == "PATCH" && call.path.contains("/deployments/")
}

fn until_reached(reached: &AtomicBool) {
    wait::until("the call", Duration::from_secs(60), || {
        reached.load(Ordering::SeqCst).then_some(())
    });
}

/// Helm finished its record in spite of the signal, and `resume` does not run it again.
#[track_caller]
fn assert_helm_went_on_and_resume_finishes(model: &Model) {
    wait::until("helm's record", HANG, || {
        (model.statuses() == ["superseded", "superseded", "deployed"]).then_some(())
    });
    let resumed = wait::until("the lock", HANG, || {
        let ran = model.tool().run(&["resume", RELEASE, "--yes", "-o", "json"]);
        (ran.code != 12).then_some(ran)
    });
    let report = resumed.expect_code(0).report();
    assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
    model.assert_serves(1);
    assert_eq!(model.statuses().len(), 3, "the rollback was made twice");
}

#[track_caller]
fn assert_held_with_a_way_on(report: &RunReport) {
    assert_eq!(report.outcome, StateName::Held, "{:?}", report.failure);
    let says_resume = report.next.iter().any(|step| step.contains("resume llama"));
    assert!(says_resume, "{:?}", report.next);
}

on_both_helms!(a_terminals_ctrl_c_does_not_reach_helm, |major| {
    let model = Model::crashed("ctrlchelm", major);
    let (hook, reached) = slow(is_helms_write, Duration::from_secs(3));
    let proxy = ApiProxy::start(model.namespace.testbed, hook);
    let tool = model.tool().kubeconfig(proxy.kubeconfig());
    let mut terminal = Terminal::run(&tool, &["rollback", RELEASE, "--yes", "-o", "json"]);
    until_reached(&reached);
    terminal.press_ctrl_c();
    terminal.until_shown("stopping after this step");
    assert_eq!(terminal.wait(HANG), Some(13), "{}", terminal.screen());
    let report = terminal.report();
    assert_held_with_a_way_on(&report);
    assert_eq!(report.new_revision.map(|r| r.0), Some(3), "helm was waited for");
    model.assert_out_of_traffic();
    assert_helm_went_on_and_resume_finishes(&model);
});

#[test]
fn a_signal_to_the_whole_process_group_does_not_reach_helm() {
    let model = Model::crashed("group", Major::Four);
    let (hook, reached) = slow(is_helms_write, Duration::from_secs(3));
    let proxy = ApiProxy::start(model.namespace.testbed, hook);
    let mut command = model.tool().kubeconfig(proxy.kubeconfig()).command();
    command
        .args(["rollback", RELEASE, "--yes", "-o", "json"])
        .process_group(0);
    let mut running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
    until_reached(&reached);
    running.signal_group(Signal::TERM);
    assert_eq!(running.wait(HANG), Some(13));
    model.assert_out_of_traffic();
    assert_helm_went_on_and_resume_finishes(&model);
}

#[test]
fn the_second_ctrl_c_leaves_at_once_and_resume_works() {
    let model = Model::crashed("twice", Major::Four);
    // Helm is at work far longer than the tool may take to leave.
    let (hook, reached) = slow(is_helms_write, SOON * 2);
    let proxy = ApiProxy::start(model.namespace.testbed, hook);
    let tool = model.tool().kubeconfig(proxy.kubeconfig());
    let mut terminal = Terminal::run(&tool, &["rollback", RELEASE, "--yes", "-o", "json"]);
    until_reached(&reached);
    terminal.press_ctrl_c();
    terminal.until_shown("press again to leave at once");
    terminal.press_ctrl_c();
    assert_eq!(terminal.wait(SOON), Some(13), "{}", terminal.screen());
    model.assert_out_of_traffic();
    assert_eq!(model.statuses().last().map(String::as_str), Some("pending-rollback"));
    let elsewhere = model.tool().elsewhere();
    let refused = elsewhere.rollback(RELEASE, &[]);
    assert!([12, 13].contains(&refused.code), "{}", refused.stderr);
    assert_helm_went_on_and_resume_finishes(&model);
}

#[test]
fn each_signal_ends_a_wait_within_seconds_and_is_told_how_to_go_on() {
    for (hint, signal) in [("sigterm", Signal::TERM), ("sighup", Signal::HUP)] {
        // Loads so long that the run cannot have ended by itself.
        let model = Model::good_with(hint, Major::Four, &[]);
        model.upgrade(2, &[CRASH]);
        model.upgrade(3, &["faults.LOAD_SECONDS=90"]);
        let args = ["rollback", RELEASE, "3", "--yes", "-o", "json"];
        model.upgrade(4, &[CRASH]);
        let mut running = model.tool().start(&args);
        let _stderr = until_said(&mut running, "rolled-back");
        let sent = Instant::now();
        running.signal(signal);
        assert_eq!(running.wait(SOON), Some(13), "after {:?}", sent.elapsed());
        eprintln!("{hint}: from the signal to the exit {:?}", sent.elapsed());
        model.assert_out_of_traffic();
        model.tool().run(&["abort", RELEASE, "--yes"]).expect_code(0);
        model.assert_out_of_traffic();
    }
}

#[test]
fn ctrl_c_while_the_plan_is_made_changes_nothing() {
    let model = Model::crashed("planning", Major::Four);
    // A server that accepts the connection and never answers.
    let is_read = |call: &Call| call.by == Caller::Tool && call.path.contains("/secrets");
    let (hook, reached) = slow(is_read, HANG);
    let proxy = ApiProxy::start(model.namespace.testbed, hook);
    let tool = model.tool().kubeconfig(proxy.kubeconfig());
    let mut terminal = Terminal::run(&tool, &["rollback", RELEASE, "--yes", "-o", "json"]);
    until_reached(&reached);
    terminal.press_ctrl_c();
    // Less than the tool's own patience with a server that does not answer.
    assert_eq!(terminal.wait(Duration::from_secs(10)), Some(1), "{}", terminal.screen());
    assert!(
        terminal.screen().contains("interrupted before anything was changed"),
        "{}",
        terminal.screen()
    );
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
    model.tool().rollback(RELEASE, &[]).expect_code(0);
    model.assert_serves(1);
}

#[test]
fn a_person_is_asked_and_ctrl_c_there_changes_nothing() {
    let model = Model::crashed("asked", Major::Four);
    let mut terminal = Terminal::run(&model.tool(), &["rollback", RELEASE]);
    terminal.until_shown("[y/N]");
    terminal.press_ctrl_c();
    assert_eq!(terminal.wait(SOON), Some(1), "{}", terminal.screen());
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
    let mut terminal = Terminal::run(&model.tool(), &["rollback", RELEASE]);
    terminal.until_shown("[y/N]");
    terminal.type_in(b"y\n");
    assert_eq!(terminal.wait(HANG), Some(0), "{}", terminal.screen());
    model.assert_serves(1);
}
