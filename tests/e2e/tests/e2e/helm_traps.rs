//! What Helm's rollback does that nobody expects of it (helm v3.22 and v4.3 `pkg/action/rollback.go`): hooks of the
//! target, history that is pruned before the cluster is touched, records that say less than what happened.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::paths;
use vllm_rollback_harness::process;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Caller, Moment, StatusCode};

use crate::fixture::{CRASH, Model, RELEASE, assert_restored};
use crate::on_both_helms;

/// Good revision 1 with a hook of this event that fails while the file is missing, unready revision 2 without.
fn hooked(hint: &str, major: Major, event: &str, file: &Path) -> Model {
    let events = format!("hookJob.events={event}");
    let command = format!("hookJob.command={{/bin/sh,-c,test -e {}}}", file.display());
    let model = Model::good_with(hint, major, &[&events, &command]);
    model.upgrade(2, &["image.tag=missing"]);
    model
}

/// Shown in the plan, named when it fails, and once its trouble is gone the command that was named ends the matter.
fn assert_held_by_its_hook(hint: &str, major: Major, event: &str, objects: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("there");
    let model = hooked(hint, major, event, &file);
    let plan = model.tool().run(&["plan", RELEASE]).expect_code(0);
    let shown = format!("{event} Job/llama-vllm-deployment-pre-install-check");
    assert!(plan.stdout.contains(&shown), "{}", plan.stdout);
    let report = model.rollback(&[]).expect_code(11).report();
    assert_eq!(report.outcome, StateName::Held);
    assert_eq!(model.statuses().last().map(String::as_str), Some("pending-rollback"));
    let named = format!("{event} hook Job/llama-vllm-deployment-pre-install-check did not succeed, and {objects}");
    let logs = "kubectl logs job/llama-vllm-deployment-pre-install-check";
    assert_says(&report, &[&named, logs, "--accept-pending"]);
    model.assert_out_of_traffic();

    model.rollback(&[]).expect_code(1);
    std::fs::write(&file, "").expect("the temporary directory is writable");
    assert_restored(&model.rollback(&["--accept-pending"]).expect_code(0).report(), 1);
    model.assert_serves(1);
}

/// What is said in the end: what failed, why, and what to type.
fn said(report: &RunReport) -> String {
    let failure = report.failure.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{failure}\n{}", report.next.join("\n"))
}

#[track_caller]
fn assert_says(report: &RunReport, words: &[&str]) {
    let said = said(report);
    for word in words {
        assert!(said.contains(word), "{word:?} is missing from:\n{said}");
    }
}

on_both_helms!(
    a_pre_rollback_hook_that_fails_is_named_and_the_model_is_held_until_it_succeeds,
    |major| {
        assert_held_by_its_hook("prehook", major, "pre-rollback", "nothing of the target was applied");
    }
);

on_both_helms!(
    a_post_rollback_hook_that_fails_is_named_and_the_model_is_held_although_its_pods_are_back,
    |major| {
        assert_held_by_its_hook(
            "posthook",
            major,
            "post-rollback",
            "the target's objects were applied before it",
        );
    }
);

on_both_helms!(
    helm_is_given_an_explicit_revision_and_no_flag_that_masks_or_forces,
    |major| {
        let model = Model::crashed("argv", major);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (helm, log) = (dir.path().join("helm"), dir.path().join("log"));
        let script = format!(
            "#!/bin/sh\nfor word in \"$@\"; do printf '%s\\n' \"$word\"; done >> {}\necho >> {}\nexec {} \"$@\"\n",
            log.display(),
            log.display(),
            major.binary().display()
        );
        std::fs::write(&helm, script).expect("the temporary directory is writable");
        std::fs::set_permissions(&helm, std::fs::Permissions::from_mode(0o755)).expect("its own file");
        let tool = model.tool().env("HELM_BIN", &helm.to_string_lossy());
        assert_restored(&tool.rollback(RELEASE, &[]).expect_code(0).report(), 1);
        let log = std::fs::read_to_string(&log).expect("helm ran");
        let changing: Vec<Vec<&str>> = log
            .split("\n\n")
            .map(|call| call.lines().filter(|word| !word.is_empty()).collect::<Vec<_>>())
            .filter(|call| call.first() == Some(&"rollback") && !call.contains(&"--help"))
            .collect();
        let [call] = changing.as_slice() else {
            panic!("not one rollback: {log}");
        };
        let namespace = format!("--namespace={}", model.namespace.name);
        let mut wanted = vec![
            "rollback",
            RELEASE,
            "1",
            &namespace,
            "--history-max=0",
            "--timeout=295000ms",
        ];
        if major == Major::Four {
            // Else server-side apply would conflict with the closed gate, and --force-conflicts would open it.
            wanted.push("--server-side=false");
        }
        let (known, description) = call.split_at(wanted.len().min(call.len()));
        assert_eq!(known, wanted);
        match (major, description) {
            (Major::Three, []) => {}
            (Major::Four, [one]) if one.starts_with("--description=Rollback to 1 (vllm-rollback ") => {}
            other => panic!("{other:?}"),
        }
    }
);

on_both_helms!(a_limit_on_history_takes_neither_the_target_nor_what_is_older, |major| {
    let model = Model::good("keep", major);
    // Ten is Helm's own limit: a longer history is one that somebody wanted.
    for change in 2..=12 {
        let note = format!("extraObjects[0].data.change={change}");
        let set = [
            "revisionLabel=1",
            "strategy.type=Recreate",
            "extraObjects[0].apiVersion=v1",
            "extraObjects[0].kind=ConfigMap",
            "extraObjects[0].metadata.name=note",
            &note,
        ];
        let chart = paths::chart().to_string_lossy().into_owned();
        let set: Vec<&str> = set.iter().flat_map(|pair| ["--set-string", pair]).collect();
        model
            .helm()
            .run(&[&["upgrade", RELEASE, &chart, "--history-max", "50"][..], &set].concat());
    }
    model.helm().run(&[
        "upgrade",
        RELEASE,
        &paths::chart().to_string_lossy(),
        "--history-max",
        "50",
        "--set",
        CRASH,
    ]);
    let tool = model.tool().env("HELM_MAX_HISTORY", "2");
    let report = tool.rollback(RELEASE, &["1"]).expect_code(0).report();
    assert_restored(&report, 1);
    let revisions: Vec<u64> = model.helm().history(RELEASE).into_iter().map(|(n, _, _)| n).collect();
    assert_eq!(revisions, (1..=14).collect::<Vec<u64>>());
    model.assert_serves(1);
});

/// Runs Helm against an API server that refuses to change the Deployment.
fn proxy_that_refuses_the_deployment(model: &Model) -> ApiProxy {
    ApiProxy::start(
        model.namespace.testbed,
        Arc::new(|call, moment| {
            let is_apply = call.by == Caller::Helm && call.method == "PATCH" && call.path.contains("/deployments/");
            if is_apply && moment == Moment::Before {
                Act::Answer(StatusCode::INTERNAL_SERVER_ERROR)
            } else {
                Act::Pass
            }
        }),
    )
}

on_both_helms!(
    a_bad_revision_that_a_failed_rollback_called_superseded_is_never_a_target,
    |major| {
        let model = Model::good("supers", major);
        assert!(!model.upgrade_and_wait(2, &[CRASH], "3s"));
        // Somebody's own helm rollback fails half-way; nothing of ours remembers it.
        let proxy = proxy_that_refuses_the_deployment(&model);
        let failed = process::run(
            Command::new(major.binary())
                .args(["rollback", RELEASE, "1"])
                .env("KUBECONFIG", proxy.kubeconfig())
                .env("HELM_NAMESPACE", &model.namespace.name),
            Duration::from_secs(60),
        );
        assert!(!failed.status.success());
        assert_eq!(model.statuses(), ["deployed", "superseded", "failed"]);
        assert!(!model.upgrade_and_wait(4, &[CRASH, "faults.CRASH_LOG=again"], "3s"));
        let plan = model.tool().run(&["plan", RELEASE, "-o", "json"]).expect_code(0);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("a plan in JSON");
        assert_eq!(plan["target"], 1, "{plan}");
        let skipped: Vec<u64> = plan["skipped"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["revision"].as_u64())
            .collect();
        assert_eq!(skipped, [3, 2]);
        assert_restored(&model.rollback(&[]).expect_code(0).report(), 1);
        model.assert_serves(1);
    }
);

on_both_helms!(
    after_a_failed_rollback_of_ours_the_same_command_goes_to_the_same_target,
    |major| {
        let model = Model::good("again", major);
        model.upgrade(2, &["image.tag=missing"]);
        let proxy = proxy_that_refuses_the_deployment(&model);
        let report = model
            .tool()
            .kubeconfig(proxy.kubeconfig())
            .rollback(RELEASE, &[])
            .expect_code(11)
            .report();
        assert_eq!(model.statuses(), ["superseded", "superseded", "failed"]);
        assert_eq!(report.outcome, StateName::Held);
        model.assert_out_of_traffic();
        assert_restored(
            &model.tool().elsewhere().rollback(RELEASE, &[]).expect_code(0).report(),
            1,
        );
        model.assert_serves(1);
    }
);

/// A kind of this namespace's own, and the value that makes the chart hold an object of it.
fn own_kind(model: &Model) -> (String, String) {
    let group = format!("{}.example.com", model.namespace.name);
    let crd = serde_json::json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("routes.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "routes", "singular": "route", "kind": "Route", "listKind": "RouteList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let kubectl = model.namespace.kubectl();
    kubectl.apply(&crd.to_string());
    kubectl.run(&[
        "wait",
        "--for=condition=Established",
        &format!("crd/routes.{group}"),
        "--timeout=30s",
    ]);
    let object = "extraObjects[0].metadata.name=route,extraObjects[0].kind=Route";
    let value = format!("extraObjects[0].apiVersion={group}/v1,{object}");
    (format!("routes.{group}"), value)
}

/// Revision 1 or 2 holds an object whose kind is gone afterwards.
fn assert_refused_for_a_kind_that_is_gone(hint: &str, major: Major, holder: u32) {
    let model = Model::good(hint, major);
    let (crd, value) = own_kind(&model);
    let of = |revision| {
        if revision == holder {
            vec![value.as_str()]
        } else {
            Vec::new()
        }
    };
    assert!(model.upgrade_and_wait(2, &of(1), "120s"));
    model.upgrade(3, &[of(2), vec![CRASH]].concat());
    model.namespace.kubectl().run(&["delete", "crd", &crd]);
    let endpoints = model.namespace.client(crate::fixture::SERVICE).endpoints();
    let plan = model.tool().run(&["plan", RELEASE]).expect_code(1);
    assert!(
        plan.stdout.contains("Route/route") || plan.stderr.contains("Route/route"),
        "{plan:?}"
    );
    let report = model.rollback(&[]).expect_code(1).report();
    assert_eq!(report.outcome, StateName::Unchanged);
    assert_says(&report, &["kind Route", "example.com/v1", "CustomResourceDefinition"]);
    assert_eq!(model.statuses().len(), 3, "helm was run");
    assert_eq!(endpoints, model.namespace.client(crate::fixture::SERVICE).endpoints());
}

on_both_helms!(
    a_target_with_a_kind_that_the_cluster_lost_is_refused_before_anything_changes,
    |major| {
        assert_refused_for_a_kind_that_is_gone("kindold", major, 1);
    }
);

on_both_helms!(
    a_bad_revision_with_a_kind_that_the_cluster_lost_is_refused_before_anything_changes,
    |major| {
        assert_refused_for_a_kind_that_is_gone("kindnew", major, 2);
    }
);
