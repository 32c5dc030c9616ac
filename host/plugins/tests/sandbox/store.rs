//! Compiling in a child, and keeping what it gave.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use vllm_rollback_plugins::{BUILTINS, Compiler, Enforcement, HostOptions, PluginHost};

use crate::world::{compiler, component, options};

fn builtins(cache: &Path, compiler: Compiler) -> PluginHost {
    let mut host = PluginHost::new(HostOptions {
        cache_dir: cache.to_owned(),
        compiler,
        ..options(&[])
    })
    .unwrap();
    for name in BUILTINS {
        host.add_builtin(name, Enforcement::Required, Value::Null).unwrap();
    }
    host
}

fn nobody() -> Compiler {
    Compiler::program(PathBuf::from("/nonexistent/compiler"), Vec::<String>::new())
}

#[tokio::test]
async fn what_was_compiled_once_is_loaded_the_next_time() {
    let cache = tempfile::tempdir().unwrap();
    let first = builtins(cache.path(), compiler()).load().await.unwrap();
    assert_eq!((first.compiled, first.kept), (5, 0));
    // Without a compiler it works only when nothing is compiled.
    let second = builtins(cache.path(), nobody()).load().await.unwrap();
    assert_eq!((second.compiled, second.kept), (0, 5));
    println!("five checks: first {first:?}, then {second:?}");
}

#[tokio::test]
async fn without_a_compiler_nothing_is_compiled_in_this_process() {
    let cache = tempfile::tempdir().unwrap();
    let failure = builtins(cache.path(), nobody()).load().await.unwrap_err();
    assert!(failure.what.contains("cannot start the compiler"), "{failure}");
}

#[tokio::test]
async fn a_garbled_compiled_file_is_made_anew() {
    let cache = tempfile::tempdir().unwrap();
    builtins(cache.path(), compiler()).load().await.unwrap();
    let dir = cache.path().join("compiled");
    let garbled = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&garbled, "not machine code").unwrap();
    let again = builtins(cache.path(), compiler()).load().await.unwrap();
    assert_eq!((again.compiled, again.kept), (1, 4));
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_costs_time_and_nothing_else() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let loading = builtins(&file.path().join("below-a-file"), compiler())
        .load()
        .await
        .unwrap();
    assert_eq!(loading.compiled, 5);
}

async fn compile_with(program: &str, arguments: &[&str], deadline: Duration) -> vllm_rollback_engine::failure::Failure {
    let cache = tempfile::tempdir().unwrap();
    let mut options = HostOptions {
        cache_dir: cache.path().to_owned(),
        compiler: Compiler::program(PathBuf::from(program), arguments.iter().copied()),
        ..options(&[])
    };
    options.limits.compile = deadline;
    let mut host = PluginHost::new(options).unwrap();
    host.add_file(&component("always-passes"), Enforcement::Required, Value::Null)
        .unwrap();
    host.load().await.unwrap_err()
}

#[tokio::test]
async fn a_compiler_that_does_not_end_is_killed() {
    let failure = compile_with("/bin/sh", &["-c", "exec /bin/sleep 600"], Duration::from_millis(200)).await;
    assert!(failure.what.contains("did not compile within"), "{failure}");
    assert!(failure.what.contains("always-passes.wasm"), "{failure}");
}

#[tokio::test]
async fn a_compiler_that_crashes_is_reported_with_its_last_words() {
    let failure = compile_with(
        "/bin/sh",
        &["-c", "echo out of memory >&2; kill -9 $$"],
        Duration::from_secs(60),
    )
    .await;
    assert!(
        failure.to_string().contains("out of memory") && failure.to_string().contains("signal: 9"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_compiler_that_answers_nonsense_is_not_believed() {
    let failure = compile_with(
        "/bin/sh",
        &["-c", "cat >/dev/null; echo nonsense"],
        Duration::from_secs(60),
    )
    .await;
    assert!(failure.what.contains("cannot be compiled"), "{failure}");
}
