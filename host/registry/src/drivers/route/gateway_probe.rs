//! Ways through the gateway to the release: for each rule that leads there, a request that it takes.
//!
//! A gateway answers 404 when no rule takes a request, so a probe without the host and the headers that a rule wants would
//! look like a proof.

use http::header::{HOST, HeaderName, HeaderValue};
use serde_json::json;
use vllm_rollback_objects::http::{Request, Response};
use vllm_rollback_objects::route::{RoutePath, RouteRequest};

use super::release_route::ReleaseRoute;
use crate::router::completion;

const COMPLETIONS: &str = "/v1/completions";
const CHAT: &str = "/v1/chat/completions";

/// A way through the gateway.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GatewayProbe {
    /// Model that it asks for.
    model: String,
    pub(super) request: Request,
    /// Another backend has a share of the rule.
    pub(super) has_others: bool,
}

/// Source of an answer, as far as it can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseOrigin {
    /// A backend answered.
    Backend,
    /// The gateway itself turned the request away: a rule took it, and no backend got it.
    Gateway,
    /// Either of them: the answer does not show which.
    Unknown,
}

impl GatewayProbe {
    /// Of a rule that takes this request.
    fn of(rule: &RouteRequest, has_others: bool, model: &str) -> Self {
        // Envoy AI Gateway makes this header out of the body.
        let is_model = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("x-ai-eg-model");
        let named = rule.headers.iter().find(is_model).map(|(_, name)| name.as_str());
        let model = named.unwrap_or(model);
        let mut request = completion(model);
        request.path = path(&rule.path);
        if request.path.ends_with("/chat/completions") {
            let message = json!({ "role": "user", "content": "ping" });
            let body = json!({ "model": model, "messages": [message], "max_tokens": 1 });
            request.body = body.to_string().into();
        }
        let host = rule.host.iter().map(|host| ("host", host.as_str()));
        let headers = rule.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in host.chain(headers) {
            // What is no header in HTTP no client can send, so no rule takes it.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                request.headers.append(name, value);
            }
        }
        Self {
            model: model.to_owned(),
            request,
            has_others,
        }
    }

    /// Probe with the usual completion, for where no request of any rule is known.
    fn usual(model: &str, has_others: bool) -> Self {
        Self {
            model: model.to_owned(),
            request: completion(model),
            has_others,
        }
    }

    /// The release has to answer here. Elsewhere it may not know the path.
    pub(super) fn is_usual(&self) -> bool {
        self.request.path == COMPLETIONS
    }

    /// `a completion for llama`, `POST models.example.com/v1/completions for llama`.
    pub(super) fn line(&self) -> String {
        let Self { model, request, .. } = self;
        let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        match host {
            None if self.is_usual() => format!("a completion for {model}"),
            host => format!("POST {}{} for {model}", host.unwrap_or_default(), request.path),
        }
    }
}

/// Probes for these routes; the usual request where a request of none of their rules is known. Where several rules take the
/// same request, any of them may get it.
pub(super) fn probes(found: &[ReleaseRoute], model: &str) -> Vec<GatewayProbe> {
    let mut probes: Vec<GatewayProbe> = Vec::new();
    let routed = || found.iter().filter(|leading| !leading.is_rejected());
    for leading in routed() {
        for request in &leading.route.requests {
            if leading.own.iter().any(|own| own.rule == request.rule) {
                let probe = GatewayProbe::of(request, leading.has_others(Some(request.rule)), model);
                match probes.iter_mut().find(|known| known.request == probe.request) {
                    Some(known) => known.has_others |= probe.has_others,
                    None => probes.push(probe),
                }
            }
        }
    }
    if probes.is_empty() {
        let has_others = routed().any(|leading| leading.has_others(None));
        probes.push(GatewayProbe::usual(model, has_others));
    }
    probes
}

/// Path at which a client asks for a completion under this rule: the usual one where the rule takes it.
fn path(wanted: &RoutePath) -> String {
    match wanted {
        RoutePath::Exact(path) => path.clone(),
        RoutePath::Prefix(prefix) => {
            let prefix = prefix.trim_end_matches('/');
            let below = |path: &&str| {
                path.strip_prefix(prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let known = [COMPLETIONS, CHAT].into_iter().find(below);
            known.map_or_else(|| format!("{prefix}{COMPLETIONS}"), str::to_owned)
        }
    }
}

/// Source of an answer. vLLM is served by uvicorn; Envoy reports how long a backend took, unless that is switched off.
pub(super) fn origin(reply: &Response) -> ResponseOrigin {
    let is_from_backend = reply.headers.contains_key("x-envoy-upstream-service-time")
        || reply
            .header("server")
            .is_some_and(|server| server.starts_with("uvicorn"));
    match reply.status {
        _ if reply.is_success() => ResponseOrigin::Backend,
        500.. if !is_from_backend => ResponseOrigin::Gateway,
        _ => ResponseOrigin::Unknown,
    }
}

/// No rule of the gateway takes the request: vLLM says its own 404 in JSON.
pub(super) fn is_unrouted(reply: &Response) -> bool {
    reply.status == 404 && !reply.json().is_object()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_asked_where_clients_ask_it() {
        let prefix = |text: &str| path(&RoutePath::Prefix(text.to_owned()));
        assert_eq!(prefix("/"), COMPLETIONS);
        assert_eq!(prefix("/v1"), COMPLETIONS);
        assert_eq!(prefix("/v1/"), COMPLETIONS);
        assert_eq!(prefix("/v1/completions"), COMPLETIONS);
        assert_eq!(prefix("/v1/chat"), CHAT);
        assert_eq!(prefix("/v"), "/v/v1/completions");
        assert_eq!(prefix("/llama"), "/llama/v1/completions");
        assert_eq!(path(&RoutePath::Exact("/generate".into())), "/generate");
    }

    #[test]
    fn host_and_headers_are_those_of_the_rule() {
        let request = RouteRequest {
            rule: 0,
            host: Some("models.example.com".into()),
            path: RoutePath::Prefix("/v1/chat".into()),
            headers: vec![("X-AI-EG-Model".into(), "alias".into())],
        };
        let probe = GatewayProbe::of(&request, false, "llama");
        assert_eq!(probe.line(), "POST models.example.com/v1/chat/completions for alias");
        assert_eq!(probe.request.headers[HOST], "models.example.com");
        let body: serde_json::Value = serde_json::from_slice(&probe.request.body).unwrap();
        assert!(body["messages"].is_array());
        assert_eq!(
            (body["model"].as_str(), &probe.request.headers["x-ai-eg-model"]),
            (Some("alias"), &HeaderValue::from_static("alias"))
        );
    }

    #[test]
    fn a_failing_backend_is_not_the_gateway() {
        let reply = |status, header: Option<(&'static str, &'static str)>, body: &'static str| Response {
            status,
            headers: header
                .into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect(),
            body: body.into(),
            ..Response::default()
        };
        assert_eq!(origin(&reply(200, None, "")), ResponseOrigin::Backend);
        assert_eq!(origin(&reply(500, None, "")), ResponseOrigin::Gateway);
        assert_eq!(
            origin(&reply(503, Some(("server", "envoy")), "")),
            ResponseOrigin::Gateway
        );
        assert_eq!(
            origin(&reply(500, Some(("server", "uvicorn")), "")),
            ResponseOrigin::Unknown
        );
        assert_eq!(
            origin(&reply(503, Some(("x-envoy-upstream-service-time", "3")), "")),
            ResponseOrigin::Unknown
        );
        assert_eq!(origin(&reply(404, None, "")), ResponseOrigin::Unknown);
        assert!(is_unrouted(&reply(404, None, "")) && is_unrouted(&reply(404, None, "404 page not found")));
        assert!(!is_unrouted(&reply(404, None, r#"{"detail":"Not Found"}"#)));
    }
}
