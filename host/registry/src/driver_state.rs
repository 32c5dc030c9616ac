//! The part of a [`TrafficState`] that only the driver that read it understands: its token.

use serde::Serialize;
use serde::de::DeserializeOwned;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::traffic::TrafficState;

/// Decodes a token that this driver encoded.
///
/// # Errors
/// `Refused` for a state that another driver read; `Invalid` for a token of another shape.
pub(crate) fn decode<T: DeserializeOwned>(driver: &str, state: &TrafficState) -> Result<T, Failure> {
    if state.driver != driver {
        return Err(Failure::refused(format!(
            "the state to restore was read by driver {}, not by {driver}",
            state.driver
        ))
        .next(format!("use the same driver as before: --registry {}", state.driver)));
    }
    serde_json::from_value(state.token.clone()).map_err(|error| {
        Failure::invalid(format!("the state that driver {driver} saved cannot be read"))
            .caused_by(&error)
            .next("check the journal, then set the state by hand: registry enable or registry disable")
    })
}

/// Encodes a token. Tokens are plain data, so this never fails.
pub(crate) fn encode<T: Serialize>(token: &T) -> serde_json::Value {
    serde_json::to_value(token).unwrap_or_default()
}
