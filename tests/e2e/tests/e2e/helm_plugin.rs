//! The same binary as a Helm plugin.

use std::process::Command;
use std::time::Duration;

use vllm_rollback_harness::{paths, process};

use crate::fixture::{Model, RELEASE, assert_restored};
use crate::on_both_helms;

on_both_helms!(helm_vllm_rollback_does_what_the_kubectl_form_does, |major| {
    let model = Model::crashed("plugin", major);
    let home = tempfile::tempdir().expect("a temporary directory");
    let helm = |args: &[&str]| {
        process::run(
            Command::new(major.binary())
                .args(args)
                .env("HELM_DATA_HOME", home.path())
                .env("XDG_STATE_HOME", home.path())
                .env("KUBECONFIG", model.namespace.testbed.kubeconfig())
                .env_remove("HELM_NO_PLUGINS"),
            Duration::from_secs(180),
        )
    };
    let installed = helm(&["plugin", "install", &paths::root().to_string_lossy()]);
    assert!(
        installed.status.success(),
        "{}",
        String::from_utf8_lossy(&installed.stderr)
    );
    let ran = helm(&[
        "vllm",
        "rollback",
        RELEASE,
        "-n",
        &model.namespace.name,
        "--yes",
        "-o",
        "json",
    ]);
    let stdout = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(
        ran.status.code(),
        Some(0),
        "{stdout}\n{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_restored(&serde_json::from_str(&stdout).expect("a report"), 1);
    model.assert_serves(1);
    // The exit code is Helm's too, and the hint is in the form that was used.
    let again = helm(&["vllm", "rollback", RELEASE, "-n", &model.namespace.name, "--yes"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&again.stderr).contains("helm vllm"),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
});
