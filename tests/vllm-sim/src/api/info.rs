//! The routes that tell about the server.

use crate::args::VLLM_VERSION;
use crate::server::{Phase, Server};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// 200 or 503 with an empty body. It stays 200 while the server drains and while completions hang.
pub(super) async fn health(State(server): State<Arc<Server>>) -> StatusCode {
    if *server.phase.borrow() == Phase::EngineDead {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    StatusCode::from_u16(server.faults.health_status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

pub(super) async fn version() -> Json<Value> {
    Json(json!({"version": VLLM_VERSION}))
}

/// Always 0: counting needs a flag that charts do not set.
pub(super) async fn load() -> Json<Value> {
    Json(json!({"server_load": 0}))
}

/// A static list: it answers even when the engine cannot.
pub(super) async fn models(State(server): State<Arc<Server>>) -> Json<Value> {
    let card = |name: &String| {
        json!({
            "id": name,
            "object": "model",
            "created": server.created,
            "owned_by": "vllm",
            "root": server.args.model,
            "parent": null,
            "max_model_len": server.args.max_model_len,
            "permission": [{
                "id": format!("modelperm-{}", server.request_id()),
                "object": "model_permission",
                "created": server.created,
                "allow_create_engine": false,
                "allow_sampling": true,
                "allow_logprobs": true,
                "allow_search_indices": false,
                "allow_view": true,
                "allow_fine_tuning": false,
                "organization": "*",
                "group": null,
                "is_blocking": false,
            }],
        })
    };
    Json(json!({"object": "list", "data": server.names.iter().map(card).collect::<Vec<_>>()}))
}

pub(super) async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, server.metrics.render()).into_response()
}

pub(super) async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"detail": "Not Found"}))).into_response()
}

pub(super) async fn method_not_allowed() -> Response {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        Json(json!({"detail": "Method Not Allowed"})),
    )
        .into_response()
}
