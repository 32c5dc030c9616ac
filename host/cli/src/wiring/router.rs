//! A router asked for the model, over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::{Value, json};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_registry::postgres::{RouterAnswer, RouterProbe};

use crate::config::settings::Router;
use crate::secret::Secret;

/// A router that takes longer for one token does not serve.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer to one token is small; more of it is not read.
const MAX_BYTES: usize = 64 * 1024;

/// Asks a router with the OpenAI interface for one token.
pub(crate) struct HttpRouter {
    client: Client,
    url: Url,
    key: Option<Secret>,
}

impl HttpRouter {
    /// The router of the settings.
    ///
    /// # Errors
    /// Usage, when its URL cannot be used.
    pub(crate) fn new(router: &Router) -> Result<Self, Failure> {
        let wrong = |error: &dyn std::error::Error| {
            Failure::new(
                FailureKind::Usage,
                format!("the router's URL {} cannot be used", router.url),
            )
            .because(error.to_string())
            .next("write it like http://api-router:8080")
        };
        let url = format!("{}/v1/completions", router.url.trim_end_matches('/'));
        Ok(Self {
            client: Client::builder()
                .timeout(TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|error| wrong(&error))?,
            url: Url::parse(&url).map_err(|error| wrong(&error))?,
            key: router.key.clone(),
        })
    }
}

#[async_trait]
impl RouterProbe for HttpRouter {
    async fn probe(&self, model: &str) -> Result<RouterAnswer, Failure> {
        let body = json!({ "model": model, "prompt": "ping", "max_tokens": 1 });
        let mut request = self.client.post(self.url.clone()).json(&body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose());
        }
        let response = request.send().await.map_err(|error| {
            Failure::new(
                FailureKind::Unreachable,
                format!("the router at {} gives no answer", self.url),
            )
            .caused_by(&error.without_url())
            .next(format!("curl -i {}", self.url))
        })?;
        let backend = response
            .headers()
            .get("x-routing-backend")
            .and_then(|value| value.to_str().ok())
            .map(|backend| format!(" from {backend}"))
            .unwrap_or_default();
        let status = response.status();
        let code = if status.is_success() {
            String::new()
        } else {
            error_code(response).await
        };
        let line = format!("HTTP {}{code}{backend}", status.as_u16());
        judge(status, &code, line).ok_or_else(|| {
            Failure::new(
                FailureKind::Forbidden,
                format!(
                    "the router at {} answers about us, not about the model: HTTP {status}{code}",
                    self.url
                ),
            )
            .next("give its API key: --router-key-env NAME or --router-key-file FILE")
        })
    }
}

/// What an answer says of the model; none when it says something of the caller.
fn judge(status: StatusCode, code: &str, line: String) -> Option<RouterAnswer> {
    match status {
        _ if status.is_success() => Some(RouterAnswer::Answered(line)),
        StatusCode::UNAUTHORIZED
        | StatusCode::PAYMENT_REQUIRED
        | StatusCode::FORBIDDEN
        | StatusCode::TOO_MANY_REQUESTS => None,
        StatusCode::NOT_FOUND => Some(RouterAnswer::Refused(line)),
        // A bare 503 is also what a proxy says when the backend is down; only the router's own word is a refusal.
        StatusCode::SERVICE_UNAVAILABLE if code.contains("MODEL") => Some(RouterAnswer::Refused(line)),
        _ => Some(RouterAnswer::Failed(line)),
    }
}

/// ` MODEL_UNAVAILABLE`, from `{"code": …}` or OpenAI's `{"error": {"code": …}}`; empty when there is none.
async fn error_code(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BYTES {
            return String::new();
        }
    }
    let parsed: Value = serde_json::from_slice(&body).unwrap_or_default();
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

    fn of(status: u16, code: &str) -> Option<RouterAnswer> {
        judge(StatusCode::from_u16(status).unwrap(), code, "line".into())
    }

    #[test]
    fn only_what_the_router_says_of_the_model_is_a_refusal() {
        let refused = Some(RouterAnswer::Refused("line".into()));
        let failed = Some(RouterAnswer::Failed("line".into()));
        assert_eq!(of(200, ""), Some(RouterAnswer::Answered("line".into())));
        assert_eq!(of(404, " MODEL_NOT_FOUND"), refused);
        assert_eq!(of(503, " MODEL_UNAVAILABLE"), refused);
        assert_eq!(of(503, ""), failed);
        assert_eq!(of(502, " BACKEND_ERROR"), failed);
        assert_eq!(of(500, ""), failed);
    }

    #[test]
    fn an_answer_about_the_caller_tells_nothing_of_the_model() {
        for status in [401, 402, 403, 429] {
            assert_eq!(of(status, ""), None);
        }
    }
}
