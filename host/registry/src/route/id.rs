//! Which route.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RouteKind {
    /// Gateway API.
    #[serde(rename = "HTTPRoute")]
    Http,
    /// Envoy AI Gateway.
    #[serde(rename = "AIGatewayRoute")]
    AiGateway,
}

impl fmt::Display for RouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTPRoute",
            Self::AiGateway => "AIGatewayRoute",
        })
    }
}

/// A route of the cluster. Shown as `HTTPRoute ml/llama`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RouteId {
    /// Kind.
    pub kind: RouteKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl RouteId {
    /// `kubectl edit httproute llama -n ml`.
    pub(crate) fn command(&self, verb: &str) -> String {
        let kind = self.kind.to_string().to_lowercase();
        format!("kubectl {verb} {kind} {} -n {}", self.name, self.namespace)
    }
}
