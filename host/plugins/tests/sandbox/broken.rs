//! Components whose damage is done when they are instantiated, and a world that misbehaves itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use vllm_rollback_engine::check::{Outcome, Phase, Verdict};
use vllm_rollback_engine::ports::Checks;
use vllm_rollback_engine::ports::checks::{HttpError, PodTargets};
use vllm_rollback_objects::http::{Request, Response};
use vllm_rollback_objects::pod::PodAddress;
use vllm_rollback_plugins::{CheckRunner, Enforcement, HostOptions, PluginHost};

use crate::world::{Seen, World, context, options, pod};

/// Returns the refusal of a component with this core when it is loaded; it has 200 ms to describe itself.
async fn refusal(core: &str) -> String {
    let component = format!(
        "(component {core}
            (core module $m (func (export \"f\")))
            (core instance $j (instantiate $m))
            (func $f (canon lift (core func $j \"f\")))
            (instance $check (export \"describe\" (func $f)) (export \"validate\" (func $f)))
            (export \"vllm-rollback:plugin/check@0.1.0\" (instance $check)))"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wat::parse_str(component).unwrap()).unwrap();
    let mut options: HostOptions = options(&[]);
    options.limits.describe = Duration::from_millis(200);
    let mut host = PluginHost::new(options).unwrap();
    host.add_file(file.path(), Enforcement::Required, Value::Null).unwrap();
    host.load().await.unwrap_err().to_string()
}

/// A module, instantiated this often.
fn times(count: usize, module: &str) -> String {
    let instances = "(core instance (instantiate $bomb))".repeat(count);
    format!("(core module $bomb {module}) {instances}")
}

#[tokio::test]
async fn memory_is_refused_before_it_is_there() {
    let text = refusal(&times(1, "(memory 16384)")).await;
    assert!(
        text.contains("it wanted 1024 MiB of memory and may use 256 MiB"),
        "{text}"
    );
}

#[tokio::test]
async fn four_memories_do_not_get_four_times_as_much() {
    let text = refusal(&times(4, "(memory 1600)")).await;
    assert!(
        text.contains("it wanted 300 MiB of memory and may use 256 MiB"),
        "{text}"
    );
}

#[tokio::test]
async fn a_huge_table_is_refused() {
    let text = refusal(&times(1, "(table 50000000 funcref)")).await;
    assert!(text.contains("it wanted 50000000 table elements"), "{text}");
}

#[tokio::test]
async fn hundreds_of_instances_are_refused() {
    let text = refusal(&times(200, "")).await;
    assert!(text.contains("instance count too high"), "{text}");
}

#[tokio::test]
async fn a_start_function_that_loops_is_stopped() {
    let text = refusal(&times(1, "(func $f (loop br 0)) (start $f)")).await;
    assert!(text.contains("it did not end within its deadline of 200ms"), "{text}");
}

#[tokio::test]
async fn a_check_of_another_shape_is_refused_when_it_is_first_called() {
    let text = refusal("").await;
    assert!(text.contains("cannot be used"), "{text}");
}

/// A way to pods that panics for one and never comes back for the others, whatever its deadline.
struct Misbehaving;

#[async_trait]
impl PodTargets for Misbehaving {
    async fn send(&self, pod: &PodAddress, _: Request) -> Result<Response, HttpError> {
        assert!(pod.name != "panics", "a defect of the host");
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_defect_or_a_hang_of_the_host_is_an_error_of_that_check_only() {
    let mut host = PluginHost::new(options(&[])).unwrap();
    host.add_builtin("endpoint-health", Enforcement::Required, json!({"timeout_ms": 100}))
        .unwrap();
    host.add_builtin("pod-health", Enforcement::Required, Value::Null)
        .unwrap();
    let world = Arc::<World>::default();
    let runner = CheckRunner::new(host, Arc::new(Misbehaving), Arc::clone(&world) as _, world as _, None);
    let pods = vec![pod("panics", 1), pod("hangs", 1)];
    let verdicts = runner.run(Phase::Direct, &context(pods), &Seen::default()).await;
    let [panics, hangs, healthy]: [Verdict; 3] = verdicts.try_into().unwrap();
    assert!(
        panics.outcome == Outcome::Error && panics.summary.contains("the tool itself failed"),
        "{panics:?}"
    );
    assert!(
        hangs.outcome == Outcome::Fail && hangs.summary.contains("100 ms"),
        "{hangs:?}"
    );
    assert_eq!(healthy.outcome, Outcome::Pass);
}
