//! A run that was killed: the next is refused, resume finishes it and abort ends it, from another machine.

use std::time::Duration;

use rustix::process::Signal;
use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::tool::Tool;

use crate::fixture::{CRASH, Model, RELEASE, assert_restored, until_said};
use crate::on_both_helms;

/// A model whose run was killed while it waited for the pods of revision 1, which take a while to load.
fn killed(hint: &str, major: Major) -> Model {
    let model = Model::good_with(hint, major, &["faults.LOAD_SECONDS=4"]);
    model.upgrade(2, &[CRASH]);
    let mut running = model.tool().start(&["rollback", RELEASE, "--yes", "-o", "json"]);
    let _stderr = until_said(&mut running, "ready        waiting");
    running.signal(Signal::KILL);
    assert!(running.wait(Duration::from_secs(10)).is_some());
    model
}

/// Another machine: without this one's journal. The lock's process is seen to be dead here, as it would run out there.
fn elsewhere(model: &Model) -> Tool {
    model.tool().elsewhere()
}

on_both_helms!(a_killed_run_is_finished_by_resume_and_helm_is_not_run_again, |major| {
    let model = killed("resume", major);
    let refused = elsewhere(&model).rollback(RELEASE, &[]).expect_code(13);
    assert!(refused.stderr.contains("resume llama"), "{}", refused.stderr);
    let status = elsewhere(&model).run(&["status", RELEASE]).expect_code(0);
    assert!(
        status.stdout.contains("not ended") && status.stdout.contains("resume"),
        "{}",
        status.stdout
    );
    let report = elsewhere(&model)
        .run(&["resume", RELEASE, "--yes", "-o", "json"])
        .expect_code(0)
        .report();
    assert_restored(&report, 1);
    assert_eq!(model.statuses().len(), 3, "{:?}", model.statuses());
    model.assert_serves(1);
    elsewhere(&model).run(&["resume", RELEASE, "--yes"]).expect_code(1);
});

on_both_helms!(a_killed_run_is_ended_by_abort_with_the_model_out_of_traffic, |major| {
    let model = killed("abort", major);
    let report = elsewhere(&model)
        .run(&["abort", RELEASE, "--yes", "-o", "json", "--reason", "going forward"])
        .expect_code(0)
        .report();
    assert_eq!(report.outcome, StateName::Held);
    model.assert_out_of_traffic();
    let status = elsewhere(&model).run(&["status", RELEASE]).expect_code(0);
    assert!(status.stdout.contains("going forward"), "{}", status.stdout);
    assert_restored(&elsewhere(&model).rollback(RELEASE, &[]).expect_code(0).report(), 1);
    model.assert_serves(1);
});

#[test]
fn the_lock_of_a_living_run_is_removed_only_by_force_and_that_run_stops() {
    let model = Model::good_with("unlock", Major::Four, &["faults.LOAD_SECONDS=8"]);
    model.upgrade(2, &[CRASH]);
    let mut running = model.tool().start(&["rollback", RELEASE, "--yes", "-o", "json"]);
    let _stderr = until_said(&mut running, "ready        waiting");
    let refused = elsewhere(&model).run(&["unlock", RELEASE]).expect_code(12);
    assert!(
        refused.stdout.contains("--force") || refused.stderr.contains("--force"),
        "{}",
        refused.stdout
    );
    elsewhere(&model)
        .run(&["unlock", RELEASE, "--force", "--reason", "a test"])
        .expect_code(0);
    assert_eq!(running.wait(Duration::from_secs(120)), Some(13));
    model.assert_out_of_traffic();
    elsewhere(&model).run(&["resume", RELEASE, "--yes"]).expect_code(0);
    model.assert_serves(1);
}
