//! No registry: traffic is left alone. For releases that nobody can reach yet, or that are fenced by hand.

mod settings;

use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::traffic::{Stop, TrafficState, TrafficStatus};

pub(crate) use settings::Settings;

/// Warning in place of the evidence that another driver would give.
const LOUD: &str =
    "TRAFFIC IS NOT STOPPED: registry driver none leaves it alone, clients may get answers of any revision";

/// The driver that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noop;

#[async_trait]
impl Registry for Noop {
    fn driver(&self) -> &'static str {
        "none"
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        Ok(TrafficState {
            driver: self.driver().to_owned(),
            status: TrafficStatus::Other("unmanaged".to_owned()),
            token: serde_json::Value::Null,
            endpoint: None,
            evidence: vec![LOUD.to_owned()],
        })
    }

    async fn stop(&self, _: &Stop<'_>) -> Result<(), WriteError> {
        Ok(())
    }

    async fn confirm_stopped(&self, _: &Stop<'_>, _: Duration) -> Result<Vec<String>, Failure> {
        Ok(vec![LOUD.to_owned()])
    }

    async fn restore(&self, _prior: &TrafficState) -> Result<(), WriteError> {
        Ok(())
    }

    async fn confirm_resumed(&self, _prior: &TrafficState, _deadline: Duration) -> Result<Vec<String>, Failure> {
        Ok(vec!["registry driver none: traffic was left alone".to_owned()])
    }

    fn enabled(&self, _now: &TrafficState) -> Result<TrafficState, Failure> {
        Err(
            Failure::refused("registry driver none can neither enable nor disable a model")
                .next("name the registry: --registry service or --registry postgres"),
        )
    }

    async fn post_run_notes(&self) -> Vec<String> {
        vec!["traffic was not stopped during this run (--registry none)".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::traffic::Keep;

    use super::*;

    #[tokio::test]
    async fn it_says_loudly_that_traffic_flows() {
        let state = Noop.read().await.unwrap();
        assert_eq!(state.status, TrafficStatus::Other("unmanaged".to_owned()));
        let lines = Noop
            .confirm_stopped(&Stop::new(&state, Keep::Nothing), Duration::ZERO)
            .await
            .unwrap();
        assert!(lines[0].contains("TRAFFIC IS NOT STOPPED"));
        assert!(Noop.enabled(&state).is_err());
    }
}
