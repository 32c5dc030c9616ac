//! One run at a time.

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
