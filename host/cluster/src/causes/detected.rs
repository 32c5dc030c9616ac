//! A cause as it is found, before it is known how long it has lasted.

use std::time::Duration;

use serde_json::Value;
use vllm_rollback_engine::workload::{Cause, CauseReason};

use crate::pods;

/// A cause as seen now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DetectedCause {
    pub(crate) cause: Cause,
    /// Time after which it does not heal by waiting; none: it may always heal.
    pub(crate) grace: Option<Duration>,
    /// The container whose log tells more, and whether its previous run does.
    pub(crate) log_of: Option<LogOf>,
}

/// Place to read a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogOf {
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) previous: bool,
}

/// No patience: the cause does not heal.
pub(super) const NEVER_HEALS: Option<Duration> = Some(Duration::ZERO);
/// Something else of the release may be about to bring what is missing.
pub(super) const SOON: Option<Duration> = Some(Duration::from_secs(5));
/// Endless patience: the cause may heal by itself.
pub(super) const MAY_HEAL: Option<Duration> = None;

impl DetectedCause {
    pub(super) fn new(reason: CauseReason, object: String, message: String, grace: Option<Duration>) -> Self {
        Self {
            cause: Cause {
                reason,
                object,
                message,
                evidence: Vec::new(),
                terminal: false,
                next: Vec::new(),
            },
            grace,
            log_of: None,
        }
    }

    pub(super) fn next(mut self, step: impl Into<String>) -> Self {
        self.cause.next.push(step.into());
        self
    }

    /// The log of a container's current or previous run tells more.
    pub(super) fn logged(mut self, pod: &Value, status: &Value, previous: bool) -> Self {
        self.log_of = status["name"].as_str().map(|container| LogOf {
            pod: pods::name(pod).to_owned(),
            container: container.to_owned(),
            previous,
        });
        self
    }

    pub(super) fn evidence(mut self, line: impl Into<String>) -> Self {
        self.cause.evidence.push(line.into());
        self
    }
}
