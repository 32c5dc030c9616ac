//! A driver's own memory inside a [`TrafficState`].

use serde::Serialize;
use serde::de::DeserializeOwned;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::traffic::TrafficState;

/// Reads what this driver wrote; another driver's memory, or one of another shape, is refused.
pub(crate) fn decode<T: DeserializeOwned>(driver: &str, state: &TrafficState) -> Result<T, Failure> {
    if state.driver != driver {
        return Err(Failure::new(
            FailureKind::Refused,
            format!(
                "the state to restore was read by driver {}, not by {driver}",
                state.driver
            ),
        )
        .next(format!("use the same driver as before: --registry {}", state.driver)));
    }
    serde_json::from_value(state.token.clone()).map_err(|error| {
        Failure::new(
            FailureKind::Invalid,
            format!("the state that driver {driver} saved cannot be read"),
        )
        .caused_by(&error)
        .next("check the journal, then set the state by hand: registry enable or registry disable")
    })
}

/// Writes it. Tokens are plain data, so this fails for none of them.
pub(crate) fn encode<T: Serialize>(token: &T) -> serde_json::Value {
    serde_json::to_value(token).unwrap_or_default()
}
