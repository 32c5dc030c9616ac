//! Which revision a run goes to, and which it refuses.

use std::time::Duration;

use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::wait;

use crate::fixture::{CRASH, Model, RELEASE, assert_restored};
use crate::on_both_helms;

on_both_helms!(an_explicit_revision_is_where_the_run_goes, |major| {
    let model = Model::good("explicit", major);
    assert!(model.upgrade_and_wait(2, &[], "120s"));
    model.upgrade(3, &[CRASH]);
    let report = model.rollback(&["1"]).expect_code(0).report();
    assert_restored(&report, 1);
    model.assert_serves(1);
});

#[test]
fn zero_means_the_last_good_revision_and_the_third_word_is_the_namespace() {
    let model = Model::crashed("zero", Major::Four);
    let namespace = model.namespace.name.clone();
    let elsewhere =
        vllm_rollback_harness::tool::Tool::new(model.namespace.testbed.kubeconfig(), &namespace, Major::Four);
    let report = elsewhere
        .run(&[RELEASE, "0", &namespace, "--yes", "-o", "json"])
        .expect_code(0)
        .report();
    assert_restored(&report, 1);
    model.assert_serves(1);
}

on_both_helms!(two_failed_upgrades_in_a_row_are_both_skipped_by_name, |major| {
    let model = Model::good("twofailed", major);
    assert!(!model.upgrade_and_wait(2, &[CRASH], "3s"));
    assert!(!model.upgrade_and_wait(3, &[CRASH, "faults.CRASH_LOG=second"], "3s"));
    let plan = model.tool().run(&["plan", RELEASE, "-o", "json"]).expect_code(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("a plan in JSON");
    assert_eq!(plan["target"], 1);
    assert_eq!(plan["skipped"][0]["revision"], 2, "{plan}");
    let report = model.rollback(&[]).expect_code(0).report();
    assert_restored(&report, 1);
    assert_eq!(report.from_revision.map(|r| r.0), Some(3));
    model.assert_serves(1);
});

on_both_helms!(a_second_run_refuses_to_go_to_the_bad_revision, |major| {
    let model = Model::crashed("twice", major);
    model.rollback(&[]).expect_code(0);
    let second = model.rollback(&[]).expect_code(1);
    assert!(
        second.stderr.contains("revision 2") || second.stderr.contains('2'),
        "{}",
        second.stderr
    );
    assert_eq!(model.statuses().len(), 3, "nothing was rolled back");
    model.assert_serves(1);
    // From a machine that knows nothing of the first run but what the cluster says.
    model.tool().elsewhere().rollback(RELEASE, &[]).expect_code(1);
    model.assert_serves(1);
});

#[test]
fn a_single_revision_has_nowhere_to_go() {
    let model = Model::good("single", Major::Three);
    let ran = model.rollback(&[]).expect_code(1);
    assert!(
        ran.stderr.contains("helm upgrade"),
        "says how to fix forward: {}",
        ran.stderr
    );
    model.assert_serves(1);
}

#[test]
fn an_unknown_release_is_named_with_the_namespace_where_it_does_exist() {
    let model = Model::good("unknown", Major::Four);
    let ran = model
        .tool()
        .run(&["rollback", RELEASE, "-n", "default", "--yes"])
        .expect_code(1);
    assert!(ran.stderr.contains(&model.namespace.name), "{}", ran.stderr);
    let ran = model
        .tool()
        .run(&["rollback", "no-such-release", "--yes"])
        .expect_code(1);
    assert!(ran.stderr.contains("no-such-release"), "{}", ran.stderr);
}

#[test]
fn a_revision_that_history_has_pruned_is_refused_with_those_that_are_left() {
    let model = Model::good("pruned", Major::Three);
    for revision in 2..=3 {
        assert!(model.upgrade_and_wait(revision, &[], "120s"));
    }
    model.helm().run(&[
        "upgrade",
        RELEASE,
        &vllm_rollback_harness::paths::chart().to_string_lossy(),
        "--history-max",
        "2",
        "--set",
        CRASH,
    ]);
    let ran = model.rollback(&["1"]).expect_code(1);
    assert!(ran.stderr.contains("revision 1"), "{}", ran.stderr);
    let report = model.rollback(&[]).expect_code(0).report();
    assert_restored(&report, 3);
    model.assert_serves(3);
}

on_both_helms!(
    an_upgrade_that_died_is_explained_and_needs_consent_while_it_is_fresh,
    |major| {
        let model = Model::good("pending", major);
        leave_pending(
            &model,
            &[
                "upgrade",
                RELEASE,
                &vllm_rollback_harness::paths::chart().to_string_lossy(),
                "--wait",
                "--timeout",
                "300s",
                "--set",
                CRASH,
            ],
        );
        assert_eq!(model.statuses().last().map(String::as_str), Some("pending-upgrade"));
        let refused = model.rollback(&[]).expect_code(1);
        assert!(refused.stderr.contains("pending-upgrade"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--accept-pending"), "{}", refused.stderr);
        let report = model.rollback(&["--accept-pending"]).expect_code(0).report();
        assert_restored(&report, 1);
        model.assert_serves(1);
    }
);

on_both_helms!(
    a_rollback_that_died_is_explained_and_needs_consent_while_it_is_fresh,
    |major| {
        let model = Model::crashed("pendingrb", major);
        // Revision 2 crashes, so rolling back *to it* hangs in the wait.
        model.rollback(&[]).expect_code(0);
        leave_pending(&model, &["rollback", RELEASE, "2", "--wait", "--timeout", "300s"]);
        assert_eq!(model.statuses().last().map(String::as_str), Some("pending-rollback"));
        model.rollback(&["1"]).expect_code(1);
        let report = model.rollback(&["1", "--accept-pending"]).expect_code(0).report();
        assert_restored(&report, 1);
        model.assert_serves(1);
    }
);

/// Starts helm and kills it once its record is there.
fn leave_pending(model: &Model, args: &[&str]) {
    let before = model.statuses().len();
    let mut running = vllm_rollback_harness::process::Running::start(
        std::process::Command::new(model.major.binary())
            .args(args)
            .env("KUBECONFIG", model.namespace.testbed.kubeconfig())
            .env("HELM_NAMESPACE", &model.namespace.name)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null()),
    );
    wait::until("the pending record", Duration::from_secs(60), || {
        (model.statuses().len() > before).then_some(())
    });
    running.signal(rustix::process::Signal::KILL);
    assert!(running.wait(Duration::from_secs(10)).is_some());
}
