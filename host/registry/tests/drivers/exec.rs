//! The example tool of the documentation, driven as a site would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{SOON, owner, whole};
use serde_json::{Value, json};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::Registry as _;
use vllm_rollback_engine::traffic::{Stop, TrafficStatus};
use vllm_rollback_registry::drivers::exec::{Commands, ExecConfig, ExecRegistry, ProcessEnv, Template, Values};

const ENDPOINT: &str = "llama.ml.svc.cluster.local:8000";

/// A registry in a file of its own.
struct Site {
    _dir: tempfile::TempDir,
    file: PathBuf,
}

impl Site {
    fn with(status: &str, endpoint: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("registry.json");
        let entry = |model: &str, status: &str| json!({"model_name": model, "environment": "production", "endpoint": endpoint, "status": status});
        std::fs::write(
            &file,
            json!([entry("llama", status), entry("other", "ready")]).to_string(),
        )
        .unwrap();
        Self { _dir: dir, file }
    }

    fn status(&self) -> String {
        let entries: Value = serde_json::from_str(&std::fs::read_to_string(&self.file).unwrap()).unwrap();
        assert_eq!(entries[1]["status"], "ready", "another model was touched");
        entries[0]["status"].as_str().unwrap().to_owned()
    }

    fn driver(&self, restores: bool) -> ExecRegistry {
        self.driver_that_waits(restores, Duration::ZERO)
    }

    fn driver_that_waits(&self, restores: bool, visible_after: Duration) -> ExecRegistry {
        let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/registry-tool");
        let tool = tool.to_str().unwrap();
        let set = |status: &str| Template::new([tool, "set", "{model}", "{environment}", status]).unwrap();
        let path = std::env::var("PATH").unwrap();
        let file = self.file.to_str().unwrap().to_owned();
        ExecRegistry::new(ExecConfig {
            commands: Commands {
                read: Template::new([tool, "list"]).unwrap(),
                disable: set("disabled"),
                enable: set("ready"),
                restore: restores.then(|| set("{status}")),
            },
            values: Values {
                model: "llama".into(),
                environment: Some("production".into()),
                release: "llama".into(),
                namespace: "ml".into(),
            },
            surroundings: ProcessEnv {
                env: [("PATH".into(), path), ("REGISTRY_FILE".into(), file)].into(),
                secret: Vec::new(),
                timeout: SOON,
            },
            visible_after: Some(visible_after),
            owner: owner(),
            router: None,
        })
        .unwrap()
    }
}

#[tokio::test]
async fn what_was_found_is_put_back() {
    let site = Site::with("ready", ENDPOINT);
    let driver = site.driver(false);
    let prior = driver.read().await.unwrap();
    assert_eq!(prior.status, TrafficStatus::Enabled);
    for _ in 0..2 {
        driver.stop(&whole(&prior)).await.unwrap();
        assert_eq!(site.status(), "disabled");
    }
    driver.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    for _ in 0..2 {
        driver.restore(&prior).await.unwrap();
        assert_eq!(site.status(), "ready");
    }
    driver.confirm_resumed(&prior, SOON).await.unwrap();
}

#[tokio::test]
async fn another_status_is_put_back_where_the_tool_can_set_it() {
    let site = Site::with("degraded", ENDPOINT);
    let prior = site.driver(true).read().await.unwrap();
    assert_eq!(prior.status, TrafficStatus::Other("degraded".into()));
    site.driver(true).stop(&whole(&prior)).await.unwrap();
    let failure = Failure::from(site.driver(false).restore(&prior).await.unwrap_err());
    assert_eq!(
        (failure.kind, site.status().as_str()),
        (FailureKind::Refused, "disabled")
    );
    site.driver(true).restore(&prior).await.unwrap();
    assert_eq!(site.status(), "degraded");
}

#[tokio::test]
async fn what_somebody_else_changed_is_left_alone() {
    let site = Site::with("ready", ENDPOINT);
    let driver = site.driver(true);
    let prior = driver.read().await.unwrap();
    let other = Site::with("failed", ENDPOINT);
    std::fs::copy(&other.file, &site.file).unwrap();
    for failure in [
        Failure::from(driver.stop(&whole(&prior)).await.unwrap_err()),
        Failure::from(driver.restore(&prior).await.unwrap_err()),
    ] {
        assert_eq!(failure.kind, FailureKind::Conflict);
    }
    assert_eq!(site.status(), "failed");
}

#[tokio::test]
async fn routers_that_may_go_on_as_before_are_waited_for_from_the_change_on() {
    let site = Site::with("ready", ENDPOINT);
    let minute = Duration::from_secs(60);
    let driver = site.driver_that_waits(true, minute);
    let prior = driver.read().await.unwrap();
    driver.stop(&whole(&prior)).await.unwrap();
    let failure = driver.confirm_stopped(&whole(&prior), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    let a_minute_ago = Stop {
        age: minute,
        ..whole(&prior)
    };
    driver.confirm_stopped(&a_minute_ago, SOON).await.unwrap();
}

#[tokio::test]
async fn an_entry_of_another_release_is_refused() {
    for endpoint in ["other.ml.svc.cluster.local:8000", ""] {
        let failure = Site::with("ready", endpoint).driver(true).read().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
    }
}

#[tokio::test]
async fn a_registry_that_stays_ready_is_not_called_stopped() {
    let site = Site::with("ready", ENDPOINT);
    let driver = site.driver(true);
    let prior = driver.read().await.unwrap();
    let stop = whole(&prior);
    let failure = driver.confirm_stopped(&stop, Duration::ZERO).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict);
}
