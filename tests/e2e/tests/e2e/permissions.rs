//! Each verb works for a user who has the Roles that the documents give, and nothing else.

use std::path::PathBuf;

use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::paths;
use vllm_rollback_harness::tool::Tool;

use crate::fixture::{Model, RELEASE, assert_restored};
use crate::on_both_helms;

/// A user with these Roles of `docs/roles`, as a kubeconfig. The file lives as long as the directory.
fn user(namespace: &Namespace<'_>, roles: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let kubectl = namespace.kubectl();
    let name = format!("user-{}", roles.join("-"));
    let place = ["-n", &namespace.name];
    let run = |args: &[&str]| kubectl.run(&[args, &place[..]].concat());
    run(&["create", "serviceaccount", &name]);
    for role in roles {
        let file = paths::root().join(format!("docs/roles/{role}.yaml"));
        run(&["apply", "-f", &file.to_string_lossy()]);
        let account = format!("--serviceaccount={}:{name}", namespace.name);
        let role_name = format!("--role=vllm-rollback-{role}");
        run(&["create", "rolebinding", &format!("{name}-{role}"), &role_name, &account]);
    }
    let token = run(&["create", "token", &name]);
    let admin: serde_json::Value =
        serde_json::from_str(&kubectl.run(&["config", "view", "--raw", "--minify", "-o", "json"]))
            .expect("kubectl prints JSON");
    let mut config = admin;
    config["users"][0]["user"] = serde_json::json!({ "token": token.trim() });
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("the temporary directory is writable");
    (dir, path)
}

#[test]
fn a_reader_can_look_and_is_told_what_a_run_would_need() {
    let model = Model::crashed("reader", Major::Four);
    let (_dir, kubeconfig) = user(&model.namespace, &["read"]);
    let tool: Tool = model.tool().kubeconfig(&kubeconfig);
    for verb in [
        &["history", RELEASE][..],
        &["status", RELEASE],
        &["registry", "status", RELEASE],
    ] {
        tool.run(verb).expect_code(0);
    }
    // The crashed model is not good, but every check could ask.
    let validated = tool.run(&["validate", RELEASE]).expect_code(1);
    assert!(!validated.stderr.contains("orbidden"), "{}", validated.stderr);
    let plan = tool.run(&["plan", RELEASE]).expect_code(1);
    for missing in ["create leases", "patch services", "patch deployments", "create secrets"] {
        assert!(
            plan.stdout.contains(&format!("may not {missing}")),
            "{missing}: {}",
            plan.stdout
        );
    }
    let refused = tool.rollback(RELEASE, &[]).expect_code(1);
    assert!(refused.stderr.contains("may not"), "{}", refused.stderr);
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
}

on_both_helms!(the_documented_roles_are_enough_for_every_verb, |major| {
    let model = Model::crashed("roles", major);
    let (_dir, kubeconfig) = user(&model.namespace, &["read", "run"]);
    let tool: Tool = model.tool().kubeconfig(&kubeconfig);
    tool.run(&["plan", RELEASE]).expect_code(0);
    assert_restored(&tool.rollback(RELEASE, &[]).expect_code(0).report(), 1);
    model.assert_serves(1);
    tool.run(&["validate", RELEASE]).expect_code(0);
    tool.run(&["registry", "disable", RELEASE, "--yes"]).expect_code(0);
    tool.run(&["registry", "enable", RELEASE, "--yes"]).expect_code(0);
    tool.run(&["unlock", RELEASE]).expect_code(0);
    // Nothing is unfinished: refused for that, and not for want of permission.
    for verb in ["resume", "abort"] {
        let ran = tool.run(&[verb, RELEASE, "--yes"]).expect_code(1);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("is unfinished"), "{said}");
    }
    model.assert_serves(1);
});
