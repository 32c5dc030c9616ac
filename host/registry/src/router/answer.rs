//! Meaning of a router's answer for a model.

use std::fmt;

use serde_json::Value;
use vllm_rollback_objects::http::Response;

/// Outcome of a completion request for the model at a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RouterAnswer {
    /// A backend answered it. The line says how: `HTTP 200 from llama.ml:8000`.
    Answered(String),
    /// The request was routed, but the backend failed or nobody listened there: `HTTP 502 BACKEND_ERROR`.
    Failed(String),
    /// The router does not route the model: `HTTP 503 MODEL_UNAVAILABLE`, `HTTP 404 MODEL_NOT_FOUND`.
    Refused(String),
}

/// `refuses (HTTP 503 MODEL_UNAVAILABLE)`.
impl fmt::Display for RouterAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(line) => write!(f, "answers ({line})"),
            Self::Failed(line) => write!(f, "routes to a backend that fails ({line})"),
            Self::Refused(line) => write!(f, "refuses ({line})"),
        }
    }
}

/// Header lines in which routers name the backend that answered: the runbook's router, LiteLLM.
const BACKEND_HEADERS: [&str; 2] = ["x-routing-backend", "x-litellm-model-api-base"];

/// None when the answer says something of the caller.
pub(super) fn evaluate(reply: &Response) -> Option<RouterAnswer> {
    let code = if reply.is_success() {
        String::new()
    } else {
        error_code(&reply.json())
    };
    let backend = BACKEND_HEADERS
        .iter()
        .find_map(|name| reply.header(name))
        .map(|backend| format!(" from {backend}"))
        .unwrap_or_default();
    let line = format!("HTTP {}{code}{backend}", reply.status);
    match reply.status {
        _ if reply.is_success() => Some(RouterAnswer::Answered(line)),
        401 | 402 | 403 | 429 => None,
        404 => Some(RouterAnswer::Refused(line)),
        // A bare 503 is also what a proxy says when the backend is down; only the router's own word is a refusal.
        503 if code.contains("MODEL") => Some(RouterAnswer::Refused(line)),
        _ => Some(RouterAnswer::Failed(line)),
    }
}

/// ` MODEL_UNAVAILABLE`, from `{"code": …}` or OpenAI's `{"error": {"code": …}}`; empty when there is none.
fn error_code(parsed: &Value) -> String {
    let code = [&parsed["code"], &parsed["error"]["code"], &parsed["error"]["type"]]
        .into_iter()
        .find_map(Value::as_str)
        .unwrap_or_default();
    let clean: String = code
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(64)
        .collect();
    if clean.is_empty() { clean } else { format!(" {clean}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderMap, HeaderName, HeaderValue};

    fn of(status: u16, body: &str) -> Option<RouterAnswer> {
        evaluate(&Response {
            status,
            body: body.to_owned().into(),
            ..Response::default()
        })
    }

    #[test]
    fn only_what_the_router_says_of_the_model_is_a_refusal() {
        let refused = |status, body| matches!(of(status, body), Some(RouterAnswer::Refused(_)));
        let failed = |status, body| matches!(of(status, body), Some(RouterAnswer::Failed(_)));
        assert_eq!(of(200, ""), Some(RouterAnswer::Answered("HTTP 200".into())));
        assert!(refused(404, r#"{"error": "x", "code": "MODEL_NOT_FOUND"}"#));
        assert!(refused(503, r#"{"code": "MODEL_UNAVAILABLE"}"#));
        assert!(failed(503, "upstream connect error"));
        assert!(failed(502, r#"{"code": "BACKEND_ERROR"}"#));
        assert!(failed(500, ""));
    }

    #[test]
    fn an_answer_about_the_caller_tells_nothing_of_the_model() {
        for status in [401, 402, 403, 429] {
            assert_eq!(of(status, ""), None);
        }
    }

    #[test]
    fn the_backend_is_named_where_the_router_names_it() {
        let named = HeaderValue::from_static("llama.ml:8000");
        let reply = Response {
            status: 200,
            headers: HeaderMap::from_iter([(HeaderName::from_static("x-routing-backend"), named)]),
            ..Response::default()
        };
        assert_eq!(
            evaluate(&reply).unwrap().to_string(),
            "answers (HTTP 200 from llama.ml:8000)"
        );
    }

    #[test]
    fn a_code_is_found_in_both_shapes_and_cannot_carry_anything_else() {
        let code = |body: &'static str| {
            let body = body.into();
            error_code(
                &Response {
                    body,
                    ..Response::default()
                }
                .json(),
            )
        };
        assert_eq!(code(r#"{"error": {"code": "A_B"}}"#), " A_B");
        assert_eq!(code(r#"{"code": "x\u001b[31m"}"#), " x31m");
        assert_eq!(code("not json"), "");
    }
}
