//! Malformed arguments.

use crate::fixture::{Home, answer};

#[test]
fn a_revision_that_is_no_number_is_told_what_a_revision_is() {
    Home::new()
        .run(&["llama", "previous"])
        .is_one_usage_error()
        .says("0 for the last good one");
}

#[test]
fn a_release_that_helm_cannot_have_is_refused() {
    for name in ["Llama", "a_b", "../etc", "llama/x", ""] {
        Home::new()
            .run(&["rollback", name])
            .is_one_usage_error()
            .says("Helm release names");
    }
}

#[test]
fn too_many_words_and_unknown_flags_are_usage_errors() {
    for args in [
        vec!["llama", "1", "prod", "more"],
        vec!["rollback"],
        vec!["plan"],
        vec!["llama", "--no-such-flag"],
        vec!["llama", "-o", "xml"],
        vec!["llama", "--registry", "mysql"],
        vec!["registry", "explode", "llama"],
        vec!["status", "llama", "3"],
        vec!["llama", "--dry-run=maybe"],
        vec!["llama", "-n", "Not_A_Namespace"],
        vec!["llama", "--postgres-dsn-env", "A", "--postgres-dsn-file", "b"],
    ] {
        Home::new().run(&args).is_one_usage_error();
    }
}

#[test]
fn a_duration_without_a_unit_is_told_how_to_write_it() {
    Home::new()
        .run(&["llama", "--timeout", "10"])
        .is_one_usage_error()
        .says("30s, 10m or 1h30m");
    Home::new().run(&["llama", "--timeout", "0s"]).is_one_usage_error();
    Home::new()
        .run(&["llama", "--drain-timeout", "soon"])
        .is_one_usage_error();
}

#[test]
fn two_different_namespaces_are_a_usage_error() {
    Home::new()
        .run(&["llama", "0", "production", "-n", "development"])
        .is_one_clear_error(2)
        .says("two namespaces");
}

#[test]
fn a_connection_string_on_the_command_line_is_refused_and_not_repeated() {
    let url = "postgres://registry:hunter2@db/registry";
    for flag in [
        "--postgres-url",
        "--postgres-dsn",
        "--database-url",
        "--postgres-dsn-env",
        "--postgres-dsn-file",
    ] {
        for args in [
            vec!["llama".to_owned(), flag.to_owned(), url.to_owned()],
            vec!["llama".to_owned(), format!("{flag}={url}")],
        ] {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            Home::new()
                .run(&args)
                .is_one_clear_error(2)
                .says("--postgres-dsn-env NAME")
                .says("--postgres-dsn-file FILE")
                .never_says("hunter2");
        }
    }
}

#[test]
fn secrets_for_redis_and_router_are_refused_too() {
    for args in [
        ["llama", "--redis-url", "redis://:hunter2@r"],
        ["llama", "--redis-url-env", "redis://:hunter2@r"],
        ["llama", "--router-key", "hunter2"],
        ["llama", "--router-url", "http://u:hunter2@router"],
    ] {
        Home::new().run(&args).is_one_clear_error(2).never_says("hunter2");
    }
}

#[test]
fn malformed_parameters_and_urls_are_usage_errors_with_an_example() {
    Home::new()
        .run(&["llama", "--param", "completion"])
        .is_one_clear_error(2)
        .says("--param completion.prompt");
    Home::new()
        .run(&["llama", "--router-url", "api-router"])
        .is_one_clear_error(2)
        .says("http://");
    Home::new()
        .run(&["llama", "--redis", "wait"])
        .is_one_clear_error(2)
        .says("--registry postgres");
    Home::new()
        .run(&["llama", "--registry", "postgres"])
        .is_one_clear_error(2)
        .says("--postgres-dsn-env NAME");
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    Home::new()
        .run(&["llama", "--registry", "postgres", "--postgres-dsn-env", "NO_SUCH_DSN"])
        .is_one_clear_error(2)
        .says("NO_SUCH_DSN is not set");
}

#[test]
fn with_json_the_error_is_a_document_on_stdout() {
    let answer = Home::new().run(&["llama", "-o", "json", "--redis", "wait"]);
    answer.is_one_clear_error(2);
    let document: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(document["apiVersion"], "vllm-rollback/v1");
    assert_eq!(document["kind"], "Error");
    assert_eq!(document["exit_code"], 2);
    assert!(document["failure"]["next"][0].is_string());
}

#[test]
fn no_nonsense_makes_it_panic() {
    let words = [
        "",
        "-",
        "--",
        "-n",
        "=",
        "llama",
        "0",
        "\u{1b}[2J",
        "☃",
        "-o",
        "--param",
        "--grant==",
        "registry",
        "help",
        "-vvv",
    ];
    for a in words {
        for b in words {
            let answer = Home::new().run(&[a, b, "--kubeconfig", "/nowhere/kubeconfig"]);
            answer.without_panic();
            assert!([0, 1, 2].contains(&answer.code), "{a:?} {b:?} {answer:#?}");
        }
    }
}

#[test]
fn of_two_databases_that_differ_none_is_taken_and_without_one_it_is_said_how_to_name_it() {
    let home = Home::new();
    let args = ["llama", "--registry", "postgres", "--environment", "production"];
    let with = |variables: &[(&str, &str)]| answer(home.command().envs(variables.iter().copied()).args(args));
    with(&[
        ("DATABASE_URL", "postgres://u:hunter2@a/r"),
        ("ADMIN_CLI_DATABASE_URL", "postgres://u:hunter2@b/r"),
    ])
    .is_one_clear_error(1)
    .says("$DATABASE_URL")
    .says("$ADMIN_CLI_DATABASE_URL")
    .says("unset DATABASE_URL")
    .never_says("hunter2");
    with(&[]).is_one_clear_error(2).says("--postgres-dsn-env NAME");
    // One of them, or both with the same value, is taken: what is missing then is the cluster.
    for variables in [
        &[("DATABASE_URL", "postgres://u:hunter2@a/r")][..],
        &[
            ("DATABASE_URL", "postgres://u:hunter2@a/r"),
            ("ADMIN_CLI_DATABASE_URL", "postgres://u:hunter2@a/r"),
        ],
    ] {
        with(variables).says("kubeconfig").never_says("hunter2");
    }
}
