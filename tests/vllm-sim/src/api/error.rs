//! Errors as vLLM has answered them since 0.10.1: `{"error": {message, type, param, code}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status, repeated in the body as `code`.
    pub status: StatusCode,
    /// vLLM's name for the class of the error.
    pub kind: &'static str,
    /// The field of the request that is wrong.
    pub param: Option<&'static str>,
    /// What is wrong.
    pub message: String,
}

impl ApiError {
    /// 400, `BadRequestError`.
    pub fn bad_request(param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "BadRequestError",
            param,
            message: message.into(),
        }
    }

    /// 404, `NotFoundError`: the model is not served.
    pub fn unknown_model(name: &str, served: &[String]) -> Self {
        let message = format!(
            "The model `{name}` does not exist. Valid aliases: {}.",
            served.join(", ")
        );
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "NotFoundError",
            param: Some("model"),
            message,
        }
    }

    /// 500, `InternalServerError`.
    pub fn internal(message: impl Into<String>) -> Self {
        let (status, kind) = (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError");
        Self {
            status,
            kind,
            param: None,
            message: message.into(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = self.status.as_u16();
        let error = json!({"message": self.message, "type": self.kind, "param": self.param, "code": code});
        (self.status, Json(json!({"error": error}))).into_response()
    }
}
