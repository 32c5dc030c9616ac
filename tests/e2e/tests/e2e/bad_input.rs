//! Malformed input ends in one clear error with a next step, and changes nothing.

use vllm_rollback_harness::helm::Major;

use crate::fixture::{Model, RELEASE};

/// No panic, one error, a next step.
#[track_caller]
fn assert_clear(stderr: &str) {
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(stderr.contains("error:"), "{stderr}");
}

#[test]
fn malformed_input_is_refused_in_words_and_changes_nothing() {
    let model = Model::crashed("badinput", Major::Four);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).expect("the directory is writable");
        path.to_string_lossy().into_owned()
    };
    let text = file("text.wasm", b"not a component");
    let core = file("core.wasm", b"\0asm\x01\0\0\0");
    let config = file("config.yaml", b"registry:\n  drvier: service\n");
    let garbage = file("garbage.yaml", b"\xff\xfe{{{");
    let cases: [(&[&str], i32); 9] = [
        (&["rollback", RELEASE, "first", "--yes"], 2),
        (&["rollback", RELEASE, "-1", "--yes"], 2),
        (&["rollback", "Not_A_Release!", "--yes"], 1),
        (&["rollback", RELEASE, "99", "--yes"], 1),
        (&["rollback", RELEASE, "--yes", "--plugin", &text], 1),
        (&["rollback", RELEASE, "--yes", "--plugin", &core], 1),
        (&["rollback", RELEASE, "--yes", "--plugin", "/no/such/file.wasm"], 1),
        (&["rollback", RELEASE, "--yes", "--config", &config], 2),
        (&["rollback", RELEASE, "--yes", "--config", &garbage], 2),
    ];
    for (args, code) in cases {
        let ran = model.tool().run(args);
        assert!(
            ran.code == code || (ran.code == 2 && code == 1),
            "{args:?}: exit code {}\n{}",
            ran.code,
            ran.stderr
        );
        assert_clear(&ran.stderr);
    }
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
}

#[test]
fn a_corrupt_release_record_is_named() {
    let model = Model::crashed("corrupt", Major::Three);
    let record = format!("sh.helm.release.v1.{RELEASE}.v1");
    let patch = r#"{"data":{"release":"bm90IGEgcmVjb3Jk"}}"#;
    model.namespace.patch("secret", &record, patch);
    let ran = model.rollback(&["1"]).expect_code(1);
    assert!(ran.stderr.contains(&record), "{}", ran.stderr);
    assert_clear(&ran.stderr);
}

#[test]
fn a_record_with_a_garbled_label_is_named_and_not_passed_over() {
    let model = Model::crashed("label", Major::Four);
    let record = format!("sh.helm.release.v1.{RELEASE}.v2");
    let namespace = &model.namespace.name;
    let label = [
        "label",
        "secret",
        &record,
        "-n",
        namespace,
        "version=two",
        "--overwrite",
    ];
    model.namespace.kubectl().run(&label);
    let ran = model.rollback(&[]).expect_code(1);
    assert!(ran.stderr.contains(&record), "{}", ran.stderr);
    assert_clear(&ran.stderr);
}

#[test]
fn a_user_without_rights_is_told_which_before_anything_changes() {
    let model = Model::crashed("norights", Major::Four);
    let ran = model
        .tool()
        .rollback(RELEASE, &["--as", "nobody-in-particular"])
        .expect_code(1);
    assert_clear(&ran.stderr);
    assert!(
        ran.stderr.contains("forbidden") || ran.stderr.contains("may not") || ran.stderr.contains("cannot"),
        "{}",
        ran.stderr
    );
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
}
