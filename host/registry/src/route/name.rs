//! `[KIND/][NAMESPACE/]NAME`: a route of the Gateway API.

use std::str::FromStr;

use vllm_rollback_objects::route::{RouteId, RouteKind};

/// A route, as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteName {
    kind: RouteKind,
    namespace: Option<String>,
    name: String,
}

impl RouteName {
    /// The route that it is, seen from a namespace.
    pub fn seen_from(&self, namespace: &str) -> RouteId {
        RouteId {
            kind: self.kind,
            namespace: self.namespace.clone().unwrap_or_else(|| namespace.to_owned()),
            name: self.name.clone(),
        }
    }
}

impl FromStr for RouteName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts.as_slice() {
            [name] => (None, None, *name),
            [first, name] => match kind(first) {
                Some(kind) => (Some(kind), None, *name),
                None => (None, Some(*first), *name),
            },
            [first, namespace, name] => {
                let kind = kind(first).ok_or_else(|| format!("\"{first}\" is neither httproute nor aigatewayroute"))?;
                (Some(kind), Some(*namespace), *name)
            }
            _ => return Err(wrong(text)),
        };
        if !is_name(name, 253) || !namespace.is_none_or(|namespace| is_name(namespace, 63)) {
            return Err(wrong(text));
        }
        Ok(Self {
            kind: kind.unwrap_or(RouteKind::Http),
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

fn kind(word: &str) -> Option<RouteKind> {
    match word.to_lowercase().as_str() {
        "httproute" | "httproutes" => Some(RouteKind::Http),
        "aigatewayroute" | "aigatewayroutes" => Some(RouteKind::AiGateway),
        _ => None,
    }
}

fn is_name(text: &str, longest: usize) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !text.is_empty() && text.len() <= longest && text.chars().all(is_part)
}

fn wrong(text: &str) -> String {
    format!("\"{text}\" is not [KIND/][NAMESPACE/]NAME of a route")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        text.parse().map(|name: RouteName| name.seen_from("ml").to_string())
    }

    #[test]
    fn what_is_left_out_is_an_http_route_of_the_releases_namespace() {
        assert_eq!(read("llama").unwrap(), "HTTPRoute ml/llama");
        assert_eq!(read("infra/llama").unwrap(), "HTTPRoute infra/llama");
        assert_eq!(read("AIGatewayRoute/llama").unwrap(), "AIGatewayRoute ml/llama");
        assert_eq!(read("httproute/infra/llama.v2").unwrap(), "HTTPRoute infra/llama.v2");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "/",
            "a/",
            "Llama",
            "tcproute/ml/llama",
            "httproute/a/b/c",
            "httproute/ml/",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
