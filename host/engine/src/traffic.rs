//! The model's place in traffic, as a registry driver reads and sets it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::workload::ServingPod;

/// Reachability of the model for clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrafficStatus {
    /// The registry sends traffic.
    Enabled,
    /// The registry sends no traffic.
    Disabled,
    /// The registry sends traffic to pods that passed the direct checks, and to no others.
    #[serde(rename = "narrowed")]
    Partial,
    /// The registry's own word for another state in which it sends none (`pending`, `degraded`, …).
    Other(String),
}

impl TrafficStatus {
    /// One word for people and plugins.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Partial => "narrowed",
            Self::Other(word) => word,
        }
    }

    /// Clients get answers, whether by all pods or by those that were spared.
    pub fn serves_traffic(&self) -> bool {
        matches!(self, Self::Enabled | Self::Partial)
    }
}

/// State of a registry as a driver read it: enough to restore exactly this later, on another machine too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficState {
    /// Name of the driver that read it.
    pub driver: String,
    /// Meaning of what was read.
    pub status: TrafficStatus,
    /// The driver's own encoding of what it read (row status, selector, …): opaque to all others, free of secrets.
    pub token: serde_json::Value,
    /// Endpoint to which the registry sends traffic, where it names one.
    pub endpoint: Option<String>,
    /// Lines that show what was read, for the report.
    #[serde(default)]
    pub evidence: Vec<String>,
}

impl TrafficState {
    /// Nothing changed between the two. The token counts too: one of several gates may be closed while the others still let
    /// traffic in.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.status, &self.token) == (&other.status, &other.token)
    }
}

/// Pods that a stop leaves in traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// None: the whole model is taken out.
    Nothing,
    /// Those that carry the label of [`crate::ports::Registry::retain`].
    RetainedPods,
}

impl Keep {
    /// Retained pods, where there are some.
    pub(crate) fn those(retained: &[ServingPod]) -> Self {
        if retained.is_empty() {
            Self::Nothing
        } else {
            Self::RetainedPods
        }
    }

    /// Retained pods, where they are what is in traffic now.
    pub(crate) fn as_in(now: &TrafficState) -> Self {
        match now.status {
            TrafficStatus::Partial => Self::RetainedPods,
            _ => Self::Nothing,
        }
    }
}

/// Arguments of a stop. Drivers keep no state between two calls, so they get the prior state each time.
#[derive(Debug, Clone, Copy)]
pub struct Stop<'a> {
    /// The state to which the model is put back in the end.
    pub prior: &'a TrafficState,
    /// Pods that stay in traffic.
    pub keep: Keep,
    /// Time since the model was told out of traffic; zero before that, and where nobody knows.
    pub age: Duration,
}

impl<'a> Stop<'a> {
    /// Begins now.
    pub fn new(prior: &'a TrafficState, keep: Keep) -> Self {
        Self {
            prior,
            keep,
            age: Duration::ZERO,
        }
    }
}
