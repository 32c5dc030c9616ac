//! Malformed configuration files.

use crate::fixture::{Home, answer};

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let home = Home::new();
    let config = home.file("my.yaml", "model: llama\nregisty:\n  driver: none\n");
    home.run(&["llama", "--config", &config])
        .is_one_clear_error(2)
        .says("my.yaml")
        .says("line 2")
        .says("registy");
}

#[test]
fn a_file_in_the_working_directory_is_found() {
    let home = Home::new();
    home.file("vllm-rollback.yaml", "nonsense: 1\n");
    home.run(&["llama"])
        .is_one_clear_error(2)
        .says("vllm-rollback.yaml")
        .says("nonsense");
}

#[test]
fn a_file_of_the_variable_or_the_users_directory_is_found() {
    let home = Home::new();
    home.file(".config/vllm-rollback/vllm-rollback.yaml", "of_user: 1\n");
    home.run(&["llama"]).is_one_clear_error(2).says("of_user");
    let named = home.file("elsewhere.yaml", "of_variable: 1\n");
    answer(home.command().env("VLLM_ROLLBACK_CONFIG", named).arg("llama"))
        .is_one_clear_error(2)
        .says("of_variable");
}

#[test]
fn a_named_file_that_is_absent_or_too_large_or_no_file_is_told() {
    let home = Home::new();
    home.run(&["llama", "--config", "/nowhere.yaml"])
        .is_one_clear_error(2)
        .says("/nowhere.yaml");
    home.run(&["llama", "--config", home.path().to_str().unwrap()])
        .is_one_clear_error(2);
    let large = home.file("large.yaml", &"# x\n".repeat(100_000));
    home.run(&["llama", "--config", &large])
        .is_one_clear_error(2)
        .says("bytes");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let home = Home::new();
    let config = home.file("c.yaml", "registry:\n  postgres:\n    dsn: postgres://u:hunter2@db/r\n");
    home.run(&["llama", "--config", &config])
        .is_one_clear_error(2)
        .says("dsn_env")
        .never_says("hunter2");
}

#[test]
fn broken_yaml_is_told_with_its_place_in_every_shape() {
    for text in [
        "model: [",
        "\u{0}",
        "- a\n- b",
        "model: {a: b}",
        "a: &x [*x]",
        "timeouts: {ready: soon}",
    ] {
        let home = Home::new();
        let config = home.file("c.yaml", text);
        home.run(&["llama", "--config", &config])
            .is_one_clear_error(2)
            .says("c.yaml");
    }
}
