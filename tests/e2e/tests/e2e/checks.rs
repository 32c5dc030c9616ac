//! What a failing check does to the run, and what a check cannot do.

use vllm_rollback_engine::check::{Outcome, Phase, Verdict};
use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::paths;

use crate::fixture::{CRASH, Model};
use crate::on_both_helms;

on_both_helms!(
    a_model_that_hangs_behind_a_good_health_answer_is_held_out_of_traffic,
    |major| {
        let model = Model::good_with("hang", major, &["faults.HANG=1"]);
        model.upgrade(2, &[CRASH]);
        let report = model
            .rollback(&["--param", "completion.max_latency_ms=1500"])
            .expect_code(10)
            .report();
        assert_eq!(report.outcome, StateName::Held);
        assert_ne!(verdict(&report, "completion").outcome, Outcome::Pass);
        assert!(!report.next.is_empty(), "a held run says what to type next");
        model.assert_out_of_traffic();
    }
);

#[test]
fn garbage_with_status_200_is_held_out_of_traffic() {
    let model = Model::good_with("garbage", Major::Four, &["faults.TEXT=garbage"]);
    model.upgrade(2, &[CRASH]);
    let report = model.rollback(&[]).expect_code(10).report();
    assert_eq!(verdict(&report, "completion").outcome, Outcome::Fail);
    model.assert_out_of_traffic();
}

#[test]
fn a_custom_check_that_passes_lets_the_model_back() {
    let model = Model::crashed("passes", Major::Four);
    let report = model
        .rollback(&["--plugin", &plugin("always-passes")])
        .expect_code(0)
        .report();
    assert_eq!(verdict(&report, "always-passes").outcome, Outcome::Pass);
    model.assert_serves(1);
}

#[test]
fn a_custom_check_that_fails_holds_the_model() {
    held_by("always-fails", &[], Outcome::Fail);
}

#[test]
fn a_custom_check_that_cannot_tell_holds_the_model() {
    held_by("inconclusive", &[], Outcome::Inconclusive);
}

#[test]
fn a_custom_check_that_loops_ends_as_error() {
    let verdict = held_by("loops", &[], Outcome::Error);
    assert!(verdict.summary.contains("deadline"), "{}", verdict.summary);
}

#[test]
fn a_custom_check_that_eats_memory_ends_as_error() {
    let verdict = held_by("eats-memory", &[], Outcome::Error);
    assert!(verdict.summary.contains("memory"), "{}", verdict.summary);
}

#[test]
fn a_custom_check_that_asks_for_a_host_it_was_not_granted_does_not_get_there() {
    let verdict = held_by(
        "asks-elsewhere",
        &["--grant", "asks-elsewhere=host:allowed=http://127.0.0.1:9"],
        Outcome::Error,
    );
    assert!(
        verdict.summary.contains("grant") || verdict.evidence.iter().any(|line| line.contains("grant")),
        "{verdict:?}"
    );
}

#[test]
fn a_check_that_needs_what_was_not_granted_is_refused_before_anything_changes() {
    let model = Model::crashed("ungranted", Major::Four);
    let ran = model.rollback(&["--plugin", &plugin("asks-elsewhere")]).expect_code(1);
    assert!(ran.stderr.contains("--grant"), "{}", ran.stderr);
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
}

/// Runs with this check and asserts that the model stays out of traffic; its verdict.
fn held_by(name: &str, grants: &[&str], outcome: Outcome) -> Verdict {
    let model = Model::crashed(name, Major::Four);
    let report = model
        .rollback(&[&["--plugin", plugin(name).as_str()], grants].concat())
        .expect_code(10)
        .report();
    assert_eq!(report.outcome, StateName::Held);
    let verdict = verdict(&report, name).clone();
    assert_eq!(verdict.outcome, outcome, "{verdict:?}");
    model.assert_out_of_traffic();
    verdict
}

fn plugin(name: &str) -> String {
    paths::test_plugin(name).to_string_lossy().into_owned()
}

fn verdict<'r>(report: &'r RunReport, check: &str) -> &'r Verdict {
    let found = report
        .checks
        .iter()
        .find(|verdict| verdict.check == check && verdict.phase == Phase::Direct);
    found.unwrap_or_else(|| panic!("{check} did not run: {:?}", report.checks))
}
