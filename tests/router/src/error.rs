//! Errors as the runbook's router answers them: `{"error": text, "code": CODE}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request was not forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No known key.
    Key,
    /// 64 KiB or more.
    TooLarge,
    /// The body is no JSON object.
    Body(String),
    /// The body names no model.
    NoModel,
    /// No row of that name in the environment.
    Unknown { model: String, environment: String },
    /// The row is not to be routed to; `status` is what it has.
    NotReady {
        model: String,
        environment: String,
        status: String,
    },
    /// The registry could not be read.
    Registry(String),
    /// The backend could not be reached.
    Backend(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code, text) = match self {
            Self::Key => (
                StatusCode::UNAUTHORIZED,
                "AUTH_INVALID",
                "invalid or missing API key".to_owned(),
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "INVALID_REQUEST",
                "the body has 64 KiB or more".to_owned(),
            ),
            Self::Body(why) => (
                StatusCode::BAD_REQUEST,
                "INVALID_REQUEST",
                format!("the body is no JSON: {why}"),
            ),
            Self::NoModel => (
                StatusCode::BAD_REQUEST,
                "VALIDATION_ERROR",
                "model is required".to_owned(),
            ),
            Self::Unknown { model, environment } => (
                StatusCode::NOT_FOUND,
                "MODEL_NOT_FOUND",
                format!("model not found: {model} in {environment}"),
            ),
            Self::NotReady {
                model,
                environment,
                status,
            } => {
                let text = format!("model not ready: {model} in {environment} is {status}");
                (StatusCode::SERVICE_UNAVAILABLE, "MODEL_UNAVAILABLE", text)
            }
            Self::Registry(why) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "ROUTING_ERROR",
                format!("the registry cannot be read: {why}"),
            ),
            Self::Backend(why) => (StatusCode::BAD_GATEWAY, "BACKEND_ERROR", why),
        };
        (status, Json(json!({"error": text, "code": code}))).into_response()
    }
}
