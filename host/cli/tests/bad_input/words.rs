//! Help and hints, in the form that the user typed.

use crate::fixture::{Home, answer};

#[test]
fn help_goes_to_stdout_and_shows_the_runbooks_forms() {
    let help = Home::new().run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(
        help.stdout
            .contains("kubectl vllm-rollback llama-2-7b-production 0 production"),
        "{help:#?}"
    );
    assert!(help.stderr.is_empty());
}

#[test]
fn every_verb_explains_itself() {
    for verb in [
        "rollback", "plan", "history", "status", "validate", "registry", "version",
    ] {
        let help = Home::new().run(&[verb, "--help"]);
        assert_eq!(help.code, 0, "{help:#?}");
        assert!(help.stdout.contains("Examples:"), "{help:#?}");
    }
}

#[test]
fn under_helm_everything_is_said_in_helms_words() {
    let home = Home::new();
    let helm = |args: &[&str]| {
        answer(
            home.command()
                .env("HELM_PLUGIN_NAME", "vllm")
                .env("HELM_BIN", "helm")
                .env("HELM_NAMESPACE", "prod")
                .args(args),
        )
    };
    let help = helm(&["--help"]);
    assert!(
        help.stdout.contains("helm vllm plan llama-2-7b-production"),
        "{help:#?}"
    );
    assert!(!help.stdout.contains("kubectl vllm-rollback"), "{help:#?}");
    let usage = helm(&["rollback"]);
    usage.is_one_usage_error().says("helm vllm rollback");
}

#[test]
fn nothing_is_coloured_for_a_pipe_unless_asked_for() {
    let home = Home::new();
    home.run(&["llama", "--redis", "wait"]).never_says("\u{1b}[");
    let coloured = home.run(&["llama", "--redis", "wait", "--color", "always"]);
    assert!(coloured.stderr.contains("\u{1b}["), "{coloured:#?}");
}

#[test]
fn the_version_is_a_document_too() {
    let version = Home::new().run(&["version", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&version.stdout).unwrap();
    assert_eq!(document["kind"], "Version");
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    assert!(document["plugin_contract"].is_string() && document["wasmtime"].is_string());
}
