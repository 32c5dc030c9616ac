//! Kubeconfigs that lead nowhere.

use std::net::TcpListener;

use crate::fixture::Home;

/// A kubeconfig for this server, with a token in it.
fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
         clusters: [{{name: k, cluster: {{server: \"{server}\"}}}}]\n\
         users: [{{name: u, user: {{token: hunter2}}}}]\n"
    )
}

/// A port on which nobody listens.
fn refused_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn every_verb_says_that_the_cluster_cannot_be_reached() {
    let home = Home::new();
    let server = format!("https://127.0.0.1:{}", refused_port());
    let config = home.file("kubeconfig", &kubeconfig(&server));
    for verb in [
        vec!["rollback", "llama", "--yes"],
        vec!["plan", "llama"],
        vec!["history", "llama"],
        vec!["status", "llama"],
        vec!["validate", "llama"],
        vec!["registry", "status", "llama"],
        vec!["registry", "disable", "llama", "--yes"],
        vec!["registry", "enable", "llama", "--yes"],
    ] {
        let args: Vec<&str> = verb.iter().copied().chain(["--kubeconfig", &config]).collect();
        home.run(&args)
            .is_one_clear_error(1)
            .says(&server)
            .never_says("hunter2");
    }
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_named_and_not_quoted() {
    for text in [
        "users: [{name: u, user: {token: hunter2}}",
        "not yaml: [hunter2",
        "[]",
        "\u{0}hunter2",
    ] {
        let home = Home::new();
        let config = home.file("kubeconfig", text);
        home.run(&["status", "llama", "--kubeconfig", &config])
            .is_one_clear_error(2)
            .never_says("hunter2");
    }
}

#[test]
fn an_absent_kubeconfig_or_context_is_told() {
    let home = Home::new();
    home.run(&["status", "llama", "--kubeconfig", "/nowhere/config"])
        .is_one_clear_error(2)
        .says("/nowhere/config");
    home.run(&["status", "llama"]).is_one_clear_error(2).says("kubeconfig");
    let config = home.file("kubeconfig", &kubeconfig("https://127.0.0.1:1"));
    home.run(&["status", "llama", "--kubeconfig", &config, "--context", "other"])
        .is_one_clear_error(2);
}

#[test]
fn a_plugin_file_that_is_absent_or_no_plugin_is_refused() {
    let home = Home::new();
    let config = home.file(
        "kubeconfig",
        &kubeconfig(&format!("https://127.0.0.1:{}", refused_port())),
    );
    let no_plugin = home.file("no.wasm", "this is no component");
    for plugin in ["/nowhere/check.wasm", &no_plugin] {
        let answer = home.run(&["validate", "llama", "--kubeconfig", &config, "--plugin", plugin]);
        let code = answer.code;
        assert!([1, 2].contains(&code), "{answer:#?}");
        answer.is_one_clear_error(code).says(plugin);
    }
}
