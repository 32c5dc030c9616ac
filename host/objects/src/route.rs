//! Gateway API routes: backends, weights, and what the gateways say of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::release::ReleaseRef;

/// A kind of route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RouteKind {
    /// `gateway.networking.k8s.io`, served by every Gateway API implementation.
    #[serde(rename = "HTTPRoute")]
    Http,
    /// `aigateway.envoyproxy.io`: Envoy AI Gateway makes an HTTPRoute of the same name from it, and keeps that as it is.
    #[serde(rename = "AIGatewayRoute")]
    AiGateway,
}

impl RouteKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Http, Self::AiGateway];

    /// `HTTPRoute`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::AiGateway => "AIGatewayRoute",
        }
    }
}

impl fmt::Display for RouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    pub fn command(&self, verb: &str) -> String {
        let kind = self.kind.to_string().to_lowercase();
        format!("kubectl {verb} {kind} {} -n {}", self.name, self.namespace)
    }
}

/// A route as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Kind, namespace and name.
    pub id: RouteId,
    /// Version that was read, under which alone it may be written.
    pub resource_version: String,
    /// The backends of all its rules.
    pub backends: Vec<Backend>,
    /// Requests that its rules take, one for each rule of which a request is known.
    pub requests: Vec<RouteRequest>,
    /// Backends to which its filters send copies of requests.
    pub mirrors: Vec<LeadsTo>,
    /// `InferenceService/llama`: who controls it and writes it anew.
    pub controller: Option<String>,
    /// The Helm release that it is part of.
    pub release: Option<ReleaseRef>,
    /// Status that the gateways give it.
    pub observed: Observed,
    /// Field managers that wrote fields of it: `helm/Apply`.
    pub managers: Vec<String>,
}

/// A backend of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Index of the rule.
    pub rule: usize,
    /// Index in the rule's backends.
    pub index: usize,
    /// `Service ml/llama:8000`.
    pub name: String,
    /// Share of the rule's traffic; none is 1.
    pub weight: Option<u32>,
    /// Target of the backend.
    pub leads_to: LeadsTo,
}

impl Backend {
    /// Returns the weight as it counts.
    pub fn share(&self) -> u32 {
        share(self.weight)
    }
}

/// A weight as it counts. Source: Gateway API, `HTTPBackendRef.weight`, "defaults to 1".
pub fn share(weight: Option<u32>) -> u32 {
    weight.unwrap_or(1)
}

/// A request that a rule takes, unless a narrower rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteRequest {
    /// Index of the rule.
    pub rule: usize,
    /// Host of the request; none when any will do.
    pub host: Option<String>,
    /// Condition on the path.
    pub path: RoutePath,
    /// Headers that it has to have.
    pub headers: Vec<(String, String)>,
}

/// A path to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoutePath {
    /// This one.
    Exact(String),
    /// This one, or one below it.
    Prefix(String),
}

/// Target of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadsTo {
    /// A Service.
    Service {
        /// Namespace of the Service.
        namespace: String,
        /// Name of the Service.
        name: String,
    },
    /// Hosts, as `host:port`.
    Hosts(Vec<String>),
    /// Pods of the release, by their labels.
    OwnPods,
    /// Something else.
    Elsewhere,
}

/// Status that the gateways give a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// The gateways route by the route as it is now.
    Accepted(String),
    /// Some have not seen it as it is now.
    Pending(String),
    /// None routes by it.
    Refused(String),
}

/// A backend's weight, to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// Index of the rule.
    pub rule: usize,
    /// Index in the rule's backends.
    pub index: usize,
    /// None: the API's default.
    pub weight: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_shown_and_edited_by_the_name_of_its_kind() {
        let shown = RouteKind::ALL.map(|kind| {
            let id = RouteId {
                kind,
                namespace: "ml".into(),
                name: "llama".into(),
            };
            (id.to_string(), id.command("edit"))
        });
        let [http, ai] = &shown;
        assert_eq!(http.0, "HTTPRoute ml/llama");
        assert_eq!(http.1, "kubectl edit httproute llama -n ml");
        assert_eq!(ai.0, "AIGatewayRoute ml/llama");
        assert_eq!(ai.1, "kubectl edit aigatewayroute llama -n ml");
    }

    #[test]
    fn a_backend_without_a_weight_has_the_apis_default() {
        let share_of = |weight| {
            Backend {
                rule: 0,
                index: 0,
                name: "Service ml/llama:8000".into(),
                weight,
                leads_to: LeadsTo::OwnPods,
            }
            .share()
        };
        assert_eq!([None, Some(0), Some(7)].map(share_of), [1, 0, 7]);
    }
}
