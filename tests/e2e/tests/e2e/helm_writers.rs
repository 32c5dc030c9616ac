//! Others who write the release's objects or its records: a helm of somebody else during the run, another field
//! manager, the other Helm major, and fields that nobody may write again.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Call, Caller, Hook, Moment};
use vllm_rollback_harness::tool::Ran;
use vllm_rollback_harness::{paths, process};

use crate::fixture::{CRASH, Model, RECREATE, RELEASE, SERVICE, assert_restored};
use crate::on_both_helms;

/// What is said in the end: what failed, why, and what to type.
#[track_caller]
fn assert_says(report: &RunReport, words: &[&str]) {
    let failure = report.failure.as_ref().map(ToString::to_string).unwrap_or_default();
    let said = format!("{failure}\n{}", report.next.join("\n"));
    for word in words {
        assert!(said.contains(word), "{word:?} is missing from:\n{said}");
    }
}

/// Somebody else's `helm upgrade` to a good revision, of which this run knows nothing, at the first call that fits.
fn upgrading(model: &Model, fits: impl Fn(&Call, Moment) -> bool + Send + Sync + 'static) -> Hook {
    let done = AtomicBool::new(false);
    let (binary, kubeconfig) = (model.major.binary(), model.namespace.testbed.kubeconfig().to_owned());
    let namespace = model.namespace.name.clone();
    Arc::new(move |call, moment| {
        if fits(call, moment) && !done.swap(true, Ordering::SeqCst) {
            // Whether it succeeds is Helm's affair: with Helm 4 the closed gate makes it fail.
            process::run(
                Command::new(&binary)
                    .args(["upgrade", RELEASE])
                    .arg(paths::chart())
                    .args(["--set", RECREATE, "--set", "revisionLabel=9", "--no-hooks"])
                    .env("KUBECONFIG", &kubeconfig)
                    .env("HELM_NAMESPACE", &namespace),
                Duration::from_secs(60),
            );
        }
        Act::Pass
    })
}

fn is(call: &Call, by: Caller, method: &str, part: &str) -> bool {
    call.by == by && call.method == method && call.path.contains(part)
}

/// From Helm's last write on, which is its record of the rollback.
fn once_back(
    fits: impl Fn(&Call, Moment) -> bool + Send + Sync + 'static,
) -> impl Fn(&Call, Moment) -> bool + Send + Sync + 'static {
    let is_back = AtomicBool::new(false);
    move |call, moment| {
        if moment == Moment::After && is(call, Caller::Helm, "PUT", "/secrets/sh.helm.release.v1.llama.v3") {
            is_back.store(true, Ordering::SeqCst);
        }
        is_back.load(Ordering::SeqCst) && fits(call, moment)
    }
}

/// A crashed model is rolled back while somebody upgrades it.
fn interfered(model: &Model, hook: Hook) -> Ran {
    let proxy = ApiProxy::start(model.namespace.testbed, hook);
    model.tool().kubeconfig(proxy.kubeconfig()).rollback(RELEASE, &[])
}

on_both_helms!(an_upgrade_after_the_plan_makes_it_stale_and_nothing_is_done, |major| {
    let model = Model::crashed("stale", major);
    let hook = upgrading(&model, |call, moment| {
        moment == Moment::Before && is(call, Caller::Tool, "POST", "/leases")
    });
    let report = interfered(&model, hook).expect_code(15).report();
    assert_eq!(report.outcome, StateName::Unchanged);
    assert_says(&report, &["revision 3", "plan llama"]);
    assert_eq!(model.statuses(), ["superseded", "superseded", "deployed"]);
});

on_both_helms!(an_upgrade_after_the_fence_is_told_and_helm_is_not_run, |major| {
    let model = Model::crashed("fence", major);
    let hook = upgrading(&model, |call, moment| {
        moment == Moment::After && is(call, Caller::Tool, "PATCH", "/services/")
    });
    let report = interfered(&model, hook).expect_code(11).report();
    assert_eq!(report.outcome, StateName::Held);
    assert_says(&report, &["revision 3", "while this run was under way", "history"]);
    assert_eq!(model.statuses().len(), 3, "helm was run on top of it");
    model.assert_out_of_traffic();
});

on_both_helms!(
    an_upgrade_in_the_moment_when_helm_begins_is_not_taken_for_the_rollback,
    |major| {
        let model = Model::crashed("race", major);
        let hook = upgrading(&model, |call, moment| {
            moment == Moment::Before && is(call, Caller::Helm, "POST", "/secrets")
        });
        let report = interfered(&model, hook).expect_code(11).report();
        assert_eq!(report.outcome, StateName::Held);
        assert_says(&report, &["revision 3", "already exists"]);
        model.assert_out_of_traffic();
    }
);

on_both_helms!(
    an_upgrade_before_the_pods_are_ready_is_told_and_the_model_is_held,
    |major| {
        let model = Model::crashed("unready", major);
        let hook = upgrading(
            &model,
            once_back(|call, moment| moment == Moment::Before && is(call, Caller::Tool, "GET", "watch=true")),
        );
        let report = interfered(&model, hook).expect_code(11).report();
        assert_eq!(report.outcome, StateName::Held);
        assert_says(&report, &["revision 4"]);
        model.assert_out_of_traffic();
    }
);

on_both_helms!(an_upgrade_during_the_checks_is_told_and_the_model_is_held, |major| {
    let model = Model::crashed("checking", major);
    // Ready was seen, so the pods are asked now.
    let hook = upgrading(
        &model,
        once_back(|call, moment| {
            moment == Moment::After && call.by == Caller::Tool && call.path.contains("/portforward")
        }),
    );
    let report = interfered(&model, hook).expect_code(11).report();
    assert_eq!(report.outcome, StateName::Held);
    assert_says(&report, &["revision 4"]);
    model.assert_out_of_traffic();
});

/// Installed by one major and rolled back by the other.
fn assert_crosses(hint: &str, first: Major, then: Major) {
    let mut model = Model::crashed(hint, first);
    model.major = then;
    assert_restored(&model.rollback(&[]).expect_code(0).report(), 1);
    model.assert_serves(1);
    // Either major can go on from there.
    for (revision, major) in [(4, first), (5, then)] {
        model.major = major;
        assert!(model.upgrade_and_wait(revision, &[], "120s"), "{major:?}");
        model.assert_serves(revision);
    }
}

#[test]
fn what_helm_3_installed_is_rolled_back_by_helm_4() {
    assert_crosses("threefour", Major::Three, Major::Four);
}

#[test]
fn what_helm_4_installed_is_rolled_back_by_helm_3() {
    assert_crosses("fourthree", Major::Four, Major::Three);
}

/// Another field manager makes a field of the Deployment its own.
fn taken_over(model: &Model) {
    let deployment = serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": SERVICE, "namespace": model.namespace.name},
        "spec": {"progressDeadlineSeconds": 77},
    });
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), deployment.to_string()).expect("it is writable");
    model.namespace.kubectl().run(&[
        "apply",
        "--server-side",
        "--field-manager=fleet-autopilot",
        "--force-conflicts",
        "-f",
        &file.path().to_string_lossy(),
    ]);
}

const DEADLINE_OWN: &str = "progressDeadlineSeconds=300";

#[test]
fn a_field_of_another_manager_is_put_back_client_side_behind_the_service_gate() {
    let model = Model::good_with("owned", Major::Four, &[DEADLINE_OWN]);
    model.upgrade(2, &[CRASH, DEADLINE_OWN]);
    taken_over(&model);
    assert_restored(&model.rollback(&[]).expect_code(0).report(), 1);
    model.assert_serves(1);
}

#[test]
fn a_field_of_another_manager_that_server_side_apply_may_not_write_is_named_with_its_manager() {
    let model = Model::good_with("conflict", Major::Four, &[DEADLINE_OWN]);
    model.upgrade(2, &[CRASH, DEADLINE_OWN]);
    taken_over(&model);
    let report = model.rollback(&["--registry", "none"]).expect_code(11).report();
    assert_eq!(model.statuses().last().map(String::as_str), Some("failed"));
    assert_says(
        &report,
        &[
            "fleet-autopilot",
            "progressDeadlineSeconds",
            "helm rollback llama 1 -n conflict",
            "--server-side=false",
        ],
    );
}

/// A volume of this namespace's own, and the values of a claim that takes it.
fn volume(model_hint: &str, size: &str) -> (serde_json::Value, [String; 3]) {
    let class = format!("fast-{model_hint}");
    let objects = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": class},
            "provisioner": "example.com/none", "allowVolumeExpansion": true},
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": class},
            "spec": {"capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
                "hostPath": {"path": "/tmp"}}},
    ]});
    let values = [
        "persistence.enabled=true".to_owned(),
        format!("persistence.storageClass={class}"),
        format!("persistence.size={size}"),
    ];
    (objects, values)
}

on_both_helms!(a_claim_that_would_shrink_is_refused_before_anything_changes, |major| {
    let hint = if major == Major::Three { "shrink3" } else { "shrink4" };
    let (objects, small) = volume(hint, "1Gi");
    let (_, large) = volume(hint, "2Gi");
    vllm_rollback_harness::testbed::Testbed::shared()
        .kubectl()
        .apply(&objects.to_string());
    let model = Model::good_with(hint, major, &small.each_ref().map(String::as_str));
    model.upgrade(2, &[&large.each_ref().map(String::as_str)[..], &[CRASH]].concat());
    let report = model.rollback(&[]).expect_code(1).report();
    assert_eq!(report.outcome, StateName::Unchanged);
    assert_says(
        &report,
        &[
            "PersistentVolumeClaim/llama-vllm-deployment-pvc",
            "shrink from 2Gi to 1Gi",
            "helm upgrade",
        ],
    );
    assert_eq!(model.statuses().len(), 2, "helm was run");
});

on_both_helms!(
    a_selector_that_differs_is_refused_and_the_step_that_is_named_helps,
    |major| {
        let model = Model::crashed("selector", major);
        let kubectl = model.namespace.kubectl();
        // As somebody leaves it who deletes the Deployment to get an upgrade with another selector through.
        let namespace = &model.namespace.name;
        let mut deployment = kubectl
            .json(&["get", "deployment", SERVICE, "-n", namespace])
            .expect("it exists");
        kubectl.run(&["delete", "deployment", SERVICE, "-n", namespace]);
        deployment["spec"]["selector"]["matchLabels"]["generation"] = "second".into();
        deployment["spec"]["template"]["metadata"]["labels"]["generation"] = "second".into();
        for server_side in ["resourceVersion", "uid", "managedFields"] {
            deployment["metadata"]
                .as_object_mut()
                .expect("metadata")
                .remove(server_side);
        }
        kubectl.apply(&deployment.to_string());
        let report = model.rollback(&[]).expect_code(1).report();
        assert_eq!(report.outcome, StateName::Unchanged);
        assert_says(
            &report,
            &[
                "Deployment/llama-vllm-deployment",
                "spec.selector",
                "kubectl delete deployment",
            ],
        );
        assert_eq!(model.statuses().len(), 2, "helm was run");
        kubectl.run(&["delete", "deployment", SERVICE, "-n", namespace]);
        assert_restored(&model.rollback(&[]).expect_code(0).report(), 1);
        model.assert_serves(1);
    }
);
