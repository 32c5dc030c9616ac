//! Credentials that end in the middle of a run, and permissions that are taken away.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Call, Hook, Moment, StatusCode};

use super::{HELD, UNKNOWN, assert_ends, assert_stated, at, is_after};
use crate::fixture::{Model, RELEASE};
use crate::roles::grant;

/// The gate was closed.
fn is_fenced(call: &Call, moment: Moment) -> bool {
    is_after(call, moment, "PATCH", "/services/")
}

/// The proxy's kubeconfig with another user.
fn with_user(proxy: &ApiProxy, user: &Value, dir: &Path) -> std::path::PathBuf {
    let text = std::fs::read_to_string(proxy.kubeconfig()).expect("the proxy wrote it");
    let mut config: Value = serde_json::from_str(&text).expect("it is JSON");
    config["users"][0]["user"] = user.clone();
    let path = dir.join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("the temporary directory is writable");
    path
}

#[test]
fn credentials_that_run_out_in_the_middle_end_in_a_stated_state() {
    let fenced = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&fenced);
    let hook = at(
        usize::MAX,
        Act::Answer(StatusCode::UNAUTHORIZED),
        move |call, moment| {
            if is_fenced(call, moment) {
                seen.store(1, Ordering::SeqCst);
                return false;
            }
            moment == Moment::Before && seen.load(Ordering::SeqCst) == 1
        },
    );
    assert_ends("expired-token", hook, &[UNKNOWN, HELD]);
    assert_eq!(fenced.load(Ordering::SeqCst), 1);
}

#[test]
fn a_credential_plugin_is_asked_again_when_its_token_is_no_longer_taken() {
    let model = Model::crashed("plugin", Major::Four);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let token = dir.path().join("token");
    std::fs::write(&token, "first").expect("the temporary directory is writable");
    let has_ended = AtomicBool::new(false);
    let renewed = Arc::new(AtomicBool::new(false));
    let (next, seen) = (token.clone(), Arc::clone(&renewed));
    let hook: Hook = Arc::new(move |call: &Call, moment| {
        if is_fenced(call, moment) && !has_ended.swap(true, Ordering::SeqCst) {
            let _ = std::fs::write(&next, "second");
        }
        match call.token.as_str() {
            "first" if moment == Moment::Before && has_ended.load(Ordering::SeqCst) => {
                Act::Answer(StatusCode::UNAUTHORIZED)
            }
            "second" => {
                seen.store(true, Ordering::SeqCst);
                Act::Pass
            }
            _ => Act::Pass,
        }
    });
    let proxy = ApiProxy::start(model.namespace.testbed, hook);
    // It does not say when its token ends, as many do not.
    let credential =
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}"#;
    let script = format!("printf '{credential}' \"$(cat {})\"", token.display());
    let user = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", script],
        "interactiveMode": "Never",
    }});
    let kubeconfig = with_user(&proxy, &user, dir.path());
    let report = model
        .tool()
        .kubeconfig(&kubeconfig)
        .rollback(RELEASE, &[])
        .expect_code(0)
        .report();
    assert_eq!(report.outcome, StateName::Done);
    assert!(renewed.load(Ordering::SeqCst), "the second token was never shown");
    model.assert_serves(1);
}

/// Takes these Roles away once the gate is closed; the run ends as it says, and goes on once they are given back.
fn assert_stated_without(
    hint: &str,
    lost: &'static [&'static str],
    ends: &[(StateName, vllm_rollback_engine::report::ExitCode)],
) {
    let model = Model::crashed(hint, Major::Four);
    let account = grant(&model.namespace, &["read", "run"]);
    let (kubectl, namespace) = (model.namespace.kubectl(), model.namespace.name.clone());
    let name = account.clone();
    let is_lost = AtomicBool::new(false);
    let hook: Hook = Arc::new(move |call: &Call, moment| {
        if is_fenced(call, moment) && !is_lost.swap(true, Ordering::SeqCst) {
            for role in lost {
                kubectl.run(&["delete", "rolebinding", &format!("{name}-{role}"), "-n", &namespace]);
            }
        }
        Act::Pass
    });
    let proxy = ApiProxy::start(model.namespace.testbed, hook);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let user = json!({ "as": format!("system:serviceaccount:{}:{account}", model.namespace.name) });
    let kubeconfig = with_user(&proxy, &user, dir.path());
    let ran = model.tool().kubeconfig(&kubeconfig).rollback(RELEASE, &[]);
    assert_ne!(ran.code, 0, "it was noticed: {}", ran.stderr);
    assert_stated(&model, &ran.report(), ends);
}

#[test]
fn a_user_who_may_no_longer_write_holds_the_model_and_is_told() {
    assert_stated_without("norun", &["run"], &[HELD]);
}

#[test]
fn a_user_who_may_no_longer_even_read_is_told_what_is_not_known() {
    assert_stated_without("noread", &["run", "read"], &[UNKNOWN, HELD]);
}
