//! A router asked for the model: proof at the place where requests are routed.

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;

/// What a router did with a completion for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouterAnswer {
    /// A backend answered it. The line says how: `HTTP 200 from llama.ml:8000`.
    Answered(String),
    /// It was routed, but the backend failed or nobody listened there: `HTTP 502 BACKEND_ERROR`.
    Failed(String),
    /// The router does not route the model: `HTTP 503 MODEL_UNAVAILABLE`, `HTTP 404 MODEL_NOT_FOUND`.
    Refused(String),
}

/// Sends one small completion.
#[async_trait]
pub trait RouterProbe: Send + Sync {
    /// Asks for the model.
    ///
    /// # Errors
    /// `Unreachable` without an answer; `Forbidden` for an answer about the caller (401, 402, 403, 429), which tells
    /// nothing about the model.
    async fn probe(&self, model: &str) -> Result<RouterAnswer, Failure>;
}
