//! Users who have some of the documented Roles.

use std::path::PathBuf;

use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::paths;

/// A service account with these Roles of `docs/roles`; its bindings are named `ACCOUNT-ROLE`.
pub(crate) fn grant(namespace: &Namespace<'_>, roles: &[&str]) -> String {
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
    name
}

/// A user with these Roles, as a kubeconfig. The file lives as long as the directory.
pub(crate) fn user(namespace: &Namespace<'_>, roles: &[&str]) -> (tempfile::TempDir, PathBuf) {
    credentials(namespace, &grant(namespace, roles))
}

/// A service account's credentials, as a kubeconfig. The file lives as long as the directory.
pub(crate) fn credentials(namespace: &Namespace<'_>, account: &str) -> (tempfile::TempDir, PathBuf) {
    let kubectl = namespace.kubectl();
    let token = kubectl.run(&["create", "token", account, "-n", &namespace.name]);
    let text = kubectl.run(&["config", "view", "--raw", "--minify", "-o", "json"]);
    let mut config: serde_json::Value = serde_json::from_str(&text).expect("kubectl prints JSON");
    config["users"][0]["user"] = serde_json::json!({ "token": token.trim() });
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("the temporary directory is writable");
    (dir, path)
}
