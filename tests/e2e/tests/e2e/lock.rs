//! One run at a time.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vllm_rollback_harness::helm::Major;

use crate::fixture::{CRASH, Model, RELEASE};

#[test]
fn of_two_runs_one_goes_on_and_the_other_is_told_who_holds_the_lock_and_why() {
    let model = Model::good_with("lock", Major::Four, &["faults.LOAD_SECONDS=4"]);
    model.upgrade(2, &[CRASH]);
    let mut first = model
        .tool()
        .start(&["rollback", RELEASE, "--yes", "-o", "json", "--reason", "first come"]);
    let lease = format!(
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases/vllm-rollback.{RELEASE}",
        model.namespace.name
    );
    let api = model.namespace.testbed.api();
    vllm_rollback_harness::wait::until("the lease", Duration::from_secs(60), || api.get(&lease));
    let second = model.tool().elsewhere().rollback(RELEASE, &[]).expect_code(12);
    assert!(second.stderr.contains("first come"), "{}", second.stderr);
    assert_eq!(first.wait(Duration::from_secs(120)), Some(0));
    model.assert_serves(1);
    assert!(api.get(&lease).is_none(), "the lock is given back");
}

#[test]
fn of_eight_operators_at_once_exactly_one_proceeds() {
    let model = Model::crashed("eight", Major::Three);
    let homes: Vec<_> = (0..8).map(|_| tempfile::tempdir().expect("a directory")).collect();
    let start = |home: &tempfile::TempDir| {
        let tool = model.tool().env("XDG_STATE_HOME", &home.path().to_string_lossy());
        tool.start(&["rollback", RELEASE, "--yes", "-o", "json"])
    };
    let mut running: Vec<_> = homes.iter().map(start).collect();
    let codes: Vec<_> = running
        .iter_mut()
        .map(|one| one.wait(Duration::from_secs(180)))
        .collect();
    let proceeded = codes.iter().filter(|code| **code == Some(0)).count();
    assert_eq!(proceeded, 1, "{codes:?}");
    // Locked, the plan is stale, or all was done before this one looked.
    let is_turned_away = |code: &Option<i32>| matches!(code, Some(0 | 1 | 12 | 15));
    assert!(codes.iter().all(is_turned_away), "{codes:?}");
    assert_eq!(model.statuses().len(), 3, "Helm rolled back once");
    model.assert_serves(1);
}

/// The time so many seconds from now, as the API writes it.
fn in_seconds(offset: i32) -> String {
    let at = format!("{offset} seconds");
    let said = Command::new("date")
        .args(["-u", "-d", &at, "+%Y-%m-%dT%H:%M:%S.000000Z"])
        .output()
        .expect("there is date");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// A lock taken on another machine, whose clock is so many seconds away from ours.
fn locked_elsewhere(hint: &str, offset: i32) -> Model {
    let model = Model::crashed(hint, Major::Four);
    let (namespace, now) = (&model.namespace.name, in_seconds(offset));
    model.namespace.kubectl().apply(&format!(
        "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {{name: vllm-rollback.{RELEASE}, namespace: {namespace}}}\n\
         spec: {{holderIdentity: other/1, leaseDurationSeconds: 6, acquireTime: \"{now}\", renewTime: \"{now}\"}}\n"
    ));
    model
}

#[test]
fn a_holder_that_gives_signs_of_life_keeps_its_lock_whatever_its_clock_says() {
    for (hint, offset) in [("behind", -300), ("ahead", 300)] {
        let model = locked_elsewhere(hint, offset);
        let is_over = AtomicBool::new(false);
        let ran = std::thread::scope(|scope| {
            scope.spawn(|| {
                let lease = format!("vllm-rollback.{RELEASE}");
                while !is_over.load(Ordering::SeqCst) {
                    let patch = format!(r#"{{"spec":{{"renewTime":"{}"}}}}"#, in_seconds(offset));
                    let place = ["-n", &model.namespace.name, "--type=merge", "-p", &patch];
                    model
                        .namespace
                        .kubectl()
                        .run(&[&["patch", "lease", &lease], &place[..]].concat());
                }
            });
            let ran = model.rollback(&[]);
            let unlocked = model.tool().run(&["unlock", RELEASE]);
            is_over.store(true, Ordering::SeqCst);
            unlocked.expect_code(12);
            ran
        });
        let ran = ran.expect_code(12);
        assert!(ran.stderr.contains("other"), "{}", ran.stderr);
        assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
    }
}

#[test]
fn a_lock_without_signs_of_life_is_taken_after_its_duration_whatever_its_clock_says() {
    for (hint, offset) in [("deadbehind", -300), ("deadahead", 300)] {
        let model = locked_elsewhere(hint, offset);
        let ran = model.rollback(&[]).expect_code(0);
        assert!(ran.stdout.contains("no sign of life for 6 s"), "{}", ran.stdout);
        assert!(ran.took > Duration::from_secs(6), "after {:?}", ran.took);
        model.assert_serves(1);
    }
}
