//! The model's place in traffic, as a registry driver reads and sets it.

use serde::{Deserialize, Serialize};

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
}

impl TrafficStatus {
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
    /// The driver's own memory of it (row status, selector, …): opaque to all others, free of secrets.
    pub token: serde_json::Value,
    /// Endpoint to which the registry sends traffic, where it names one.
    pub endpoint: Option<String>,
    /// Lines that show what was read, for the report.
    pub evidence: Vec<String>,
}

impl TrafficState {
    /// Nothing changed between the two. The token counts too: one of several gates may be closed while the others still let
    /// traffic in.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.status, &self.token) == (&other.status, &other.token)
    }
}
