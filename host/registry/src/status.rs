//! The statuses of the runbook's registry, for the drivers that keep them: what they mean, and what is remembered.

use serde::{Deserialize, Serialize};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::traffic::{TrafficState, TrafficStatus};

use crate::token::{recall, remember};

/// In traffic.
pub(crate) const READY: &str = "ready";
/// Taken out of traffic. All other statuses send none either, and are restored as they were.
pub(crate) const DISABLED: &str = "disabled";

/// What is remembered of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) status: Option<String>,
    pub(crate) endpoint: Option<String>,
    /// The status to come from, when it is not the one that `stop` leaves: an operator enables a `failed` entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

impl Token {
    /// The status from which it is put back: only what `stop` did is taken back, another one is somebody else's word.
    pub(crate) fn from(&self) -> &str {
        self.from.as_deref().unwrap_or(DISABLED)
    }
}

/// What was read.
pub(crate) fn found(driver: &str, status: Option<String>, endpoint: Option<String>, evidence: String) -> TrafficState {
    let meaning = match status.as_deref() {
        Some(READY) => TrafficStatus::Enabled,
        Some(DISABLED) => TrafficStatus::Disabled,
        other => TrafficStatus::Other(other.unwrap_or("unset").to_owned()),
    };
    TrafficState {
        driver: driver.to_owned(),
        status: meaning,
        evidence: vec![evidence],
        endpoint: endpoint.clone(),
        token: remember(&Token {
            status,
            endpoint,
            from: None,
        }),
    }
}

/// The state that means enabled, to be reached from the one of now.
pub(crate) fn enabled(driver: &str, now: &TrafficState) -> Result<TrafficState, Failure> {
    let token: Token = recall(driver, now)?;
    Ok(TrafficState {
        status: TrafficStatus::Enabled,
        token: remember(&Token {
            status: Some(READY.to_owned()),
            from: token.status,
            endpoint: token.endpoint,
        }),
        ..now.clone()
    })
}
