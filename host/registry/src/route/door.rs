//! Ways through the gateway to the release: for each rule that leads there, a request that it takes.
//!
//! A gateway answers 404 when no rule takes a request, so a probe without the host and the headers that a rule wants would
//! look like a proof.

use serde_json::json;

use super::leading::Leading;
use super::routes::{Path, Request};
use crate::router::{Ask, Reply, completion};

const COMPLETIONS: &str = "/v1/completions";
const CHAT: &str = "/v1/chat/completions";

/// A way through the gateway.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Door {
    pub(super) ask: Ask,
    /// Another backend has a share of the rule.
    pub(super) has_others: bool,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// A backend answered.
    Answer,
    /// The gateway itself turned the request away: a rule took it, and no backend got it.
    TurnedAway,
    /// Whose answer it is cannot be told.
    Neither,
}

impl Door {
    /// Of a rule that takes this request.
    fn of(request: &Request, has_others: bool, model: &str) -> Self {
        let mut ask = completion(model);
        ask.path = path(&request.path);
        if ask.path.ends_with("/chat/completions") {
            let message = json!({ "role": "user", "content": "ping" });
            ask.post = Some(json!({ "model": model, "messages": [message], "max_tokens": 1 }));
        }
        let host = request.host.iter().map(|host| ("host".to_owned(), host.clone()));
        ask.headers = host.chain(request.headers.iter().cloned()).collect();
        // Envoy AI Gateway makes this header out of the body.
        let named = request
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("x-ai-eg-model"));
        if let (Some((_, name)), Some(post)) = (named, ask.post.as_mut()) {
            post["model"] = json!(name);
        }
        Self { ask, has_others }
    }

    /// The release has to answer here. Elsewhere it may not know the path.
    pub(super) fn is_usual(&self) -> bool {
        self.ask.path == COMPLETIONS
    }

    /// `a completion for llama`, `POST models.example.com/v1/completions for llama`.
    pub(super) fn line(&self) -> String {
        let model = self
            .ask
            .post
            .as_ref()
            .and_then(|post| post["model"].as_str())
            .unwrap_or_default();
        let host = self.ask.headers.iter().find(|(name, _)| name == "host");
        match host {
            None if self.is_usual() => format!("a completion for {model}"),
            host => {
                let host = host.map(|(_, host)| host.as_str()).unwrap_or_default();
                format!("POST {host}{} for {model}", self.ask.path)
            }
        }
    }
}

/// The doors to these routes; the usual request where a request of none of their rules is known. Where several rules take the
/// same request, any of them may get it.
pub(super) fn doors(found: &[Leading], model: &str) -> Vec<Door> {
    let mut doors: Vec<Door> = Vec::new();
    let routed = || found.iter().filter(|leading| !leading.is_dead());
    for leading in routed() {
        for request in &leading.route.requests {
            if leading.own.iter().any(|own| own.rule == request.rule) {
                let door = Door::of(request, leading.has_others(Some(request.rule)), model);
                match doors.iter_mut().find(|known| known.ask == door.ask) {
                    Some(known) => known.has_others |= door.has_others,
                    None => doors.push(door),
                }
            }
        }
    }
    if doors.is_empty() {
        let has_others = routed().any(|leading| leading.has_others(None));
        let ask = completion(model);
        doors.push(Door { ask, has_others });
    }
    doors
}

/// Where a client would ask for a completion, if the rule takes that.
fn path(wanted: &Path) -> String {
    match wanted {
        Path::Exact(path) => path.clone(),
        Path::Prefix(prefix) => {
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

/// Whose answer it is. vLLM is served by uvicorn; Envoy tells how long a backend took, unless that is switched off.
pub(super) fn heard(reply: &Reply) -> Heard {
    let is_from_backend = reply.headers.iter().any(|(name, value)| {
        name == "x-envoy-upstream-service-time" || (name == "server" && value.starts_with("uvicorn"))
    });
    match reply.status {
        _ if reply.is_success() => Heard::Answer,
        500.. if !is_from_backend => Heard::TurnedAway,
        _ => Heard::Neither,
    }
}

/// No rule of the gateway takes the request: vLLM says its own 404 in JSON.
pub(super) fn is_unrouted(reply: &Reply) -> bool {
    reply.status == 404 && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&reply.body).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_asked_where_clients_ask_it() {
        let prefix = |text: &str| path(&Path::Prefix(text.to_owned()));
        assert_eq!(prefix("/"), COMPLETIONS);
        assert_eq!(prefix("/v1"), COMPLETIONS);
        assert_eq!(prefix("/v1/"), COMPLETIONS);
        assert_eq!(prefix("/v1/completions"), COMPLETIONS);
        assert_eq!(prefix("/v1/chat"), CHAT);
        assert_eq!(prefix("/v"), "/v/v1/completions");
        assert_eq!(prefix("/llama"), "/llama/v1/completions");
        assert_eq!(path(&Path::Exact("/generate".into())), "/generate");
    }

    #[test]
    fn host_and_headers_are_those_of_the_rule() {
        let request = Request {
            rule: 0,
            host: Some("models.example.com".into()),
            path: Path::Prefix("/v1/chat".into()),
            headers: vec![("X-AI-EG-Model".into(), "alias".into())],
        };
        let door = Door::of(&request, false, "llama");
        assert_eq!(door.line(), "POST models.example.com/v1/chat/completions for alias");
        assert_eq!(
            door.ask.headers[0],
            ("host".to_owned(), "models.example.com".to_owned())
        );
        assert!(door.ask.post.is_some_and(|post| post["messages"].is_array()));
    }

    #[test]
    fn a_failing_backend_is_not_the_gateway() {
        let reply = |status, header: Option<(&str, &str)>, body: &str| Reply {
            status,
            headers: header.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            body: body.to_owned(),
        };
        assert_eq!(heard(&reply(200, None, "")), Heard::Answer);
        assert_eq!(heard(&reply(500, None, "")), Heard::TurnedAway);
        assert_eq!(heard(&reply(503, Some(("server", "envoy")), "")), Heard::TurnedAway);
        assert_eq!(heard(&reply(500, Some(("server", "uvicorn")), "")), Heard::Neither);
        assert_eq!(
            heard(&reply(503, Some(("x-envoy-upstream-service-time", "3")), "")),
            Heard::Neither
        );
        assert_eq!(heard(&reply(404, None, "")), Heard::Neither);
        assert!(is_unrouted(&reply(404, None, "")) && is_unrouted(&reply(404, None, "404 page not found")));
        assert!(!is_unrouted(&reply(404, None, r#"{"detail":"Not Found"}"#)));
    }
}
