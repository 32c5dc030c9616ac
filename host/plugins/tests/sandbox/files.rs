//! Files that are no usable check end in one clear error.

use std::path::Path;

use serde_json::Value;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_plugins::{Enforcement, PluginHost};

use crate::world::{component, host, options};

fn add(path: &Path) -> Result<(), Failure> {
    PluginHost::new(options(&[]))
        .unwrap()
        .add_file(path, Enforcement::Required, Value::Null)
}

fn refusal(bytes: &[u8]) -> Failure {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let failure = add(file.path()).unwrap_err();
    assert!(!failure.next.is_empty(), "{failure}");
    failure
}

#[test]
fn a_file_that_is_no_component_is_told_apart_before_it_is_compiled() {
    let whole = std::fs::read(component("always-passes")).unwrap();
    assert!(refusal(b"hello").what.contains("is a text file"));
    assert!(refusal(b"\x7fELF\x02").what.contains("compiled machine code"));
    assert!(
        refusal(&wat::parse_str("(module)").unwrap())
            .what
            .contains("core WebAssembly module")
    );
    assert!(refusal(&whole[..whole.len() / 2]).what.contains("is truncated"));
    assert!(refusal(b"\0asm\x0d\0\x01\0").what.contains("is no check"));
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        add(&dir.path().join("absent.wasm")).unwrap_err().kind,
        FailureKind::NotFound
    );
    assert!(add(dir.path()).unwrap_err().to_string().contains("not a file"));
    assert!(
        add(Path::new("/dev/zero"))
            .unwrap_err()
            .to_string()
            .contains("not a file")
    );
}

#[tokio::test]
async fn a_manifest_that_makes_no_sense_is_refused_with_harmless_text() {
    let failure = host("bad-manifest", &[], Value::Null).load().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(failure.what.contains("cannot be used: its manifest "), "{failure}");
    assert!(!failure.to_string().contains(['\u{1b}', '\n']));
}

async fn load_wat(text: &str) -> Failure {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wat::parse_str(text).unwrap()).unwrap();
    let mut host = PluginHost::new(options(&[])).unwrap();
    host.add_file(file.path(), Enforcement::Required, Value::Null).unwrap();
    host.load().await.unwrap_err()
}

#[tokio::test]
async fn a_component_whose_check_has_another_shape_does_not_fit() {
    let failure =
        load_wat("(component (instance $check) (export \"vllm-rollback:plugin/check@0.1.0\" (instance $check)))").await;
    assert!(failure.what.contains("does not fit this tool"), "{failure}");
    assert!(failure.why[0].contains("describe"), "{failure}");
}

/// Cores in `check`'s place: what they do, they do when instantiated.
fn with_core(core: &str) -> String {
    format!("(component {core} (instance $check) (export \"vllm-rollback:plugin/check@0.1.0\" (instance $check)))")
}

#[tokio::test]
async fn a_component_that_is_not_valid_is_refused_by_the_compiler() {
    let broken = with_core("(core module $m (func (result i32) i64.const 0))");
    let failure = load_wat(&broken).await;
    assert!(failure.what.contains("it cannot be compiled"), "{failure}");
    assert!(failure.to_string().contains("type mismatch"), "{failure}");
}

#[tokio::test]
async fn a_switched_off_proposal_is_refused_by_the_compiler() {
    let failure = load_wat(&with_core("(core module $m (memory i64 1))")).await;
    assert!(failure.to_string().contains("memory64"), "{failure}");
}

#[tokio::test]
async fn a_file_can_be_inspected_without_granting_it_anything() {
    let host = PluginHost::new(options(&[])).unwrap();
    let seen = host.inspect(&component("many-calls")).await.unwrap();
    assert_eq!(seen.manifest.name, "many-calls");
    assert_eq!(seen.interface.contract, "0.1.0");
    let words: Vec<_> = seen.manifest.needs.iter().map(|need| need.as_str()).collect();
    assert_eq!(words, ["pod", "metrics"]);
    assert!(
        seen.manifest
            .needs
            .iter()
            .all(|need| seen.interface.could_use().contains(need))
    );
}
