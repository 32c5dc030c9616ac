//! The runbook's four scenarios, each from a bad release to proven good.

use crate::fixture::{CRASH, Model, assert_restored};
use crate::on_both_helms;

on_both_helms!(
    a_crash_looping_release_is_taken_back_to_the_last_good_revision,
    |major| {
        let model = Model::good("crash", major);
        model.upgrade(2, &[CRASH]);
        let report = model.rollback(&["--reason", "crash loop"]).expect_code(0).report();
        assert_restored(&report, 1);
        assert_eq!(report.from_revision.map(|r| r.0), Some(2));
        assert_eq!(report.new_revision.map(|r| r.0), Some(3));
        assert_eq!(report.reason.as_deref(), Some("crash loop"));
        assert_eq!(model.statuses().last().map(String::as_str), Some("deployed"));
        model.assert_serves(1);
    }
);

on_both_helms!(a_release_with_failing_health_checks_is_taken_back, |major| {
    let model = Model::good("health", major);
    model.upgrade(2, &["faults.HEALTH_STATUS=503"]);
    let report = model.rollback(&[]).expect_code(0).report();
    assert_restored(&report, 1);
    model.assert_serves(1);
});

on_both_helms!(a_release_that_never_finishes_loading_is_taken_back, |major| {
    let model = Model::good("timeout", major);
    model.upgrade(2, &["faults.LOAD_FOREVER=1"]);
    let report = model.rollback(&[]).expect_code(0).report();
    assert_restored(&report, 1);
    model.assert_serves(1);
});

on_both_helms!(a_ready_release_with_the_wrong_model_is_taken_back, |major| {
    let model = Model::good("wrong", major);
    assert!(model.upgrade_and_wait(2, &["faults.SERVE_MODEL=another-model"], "120s"));
    assert_eq!(model.ask().status, Some(404), "the wrong model does not know the name");
    let report = model
        .rollback(&["--reason", "wrong model version"])
        .expect_code(0)
        .report();
    assert_restored(&report, 1);
    model.assert_serves(1);
});
