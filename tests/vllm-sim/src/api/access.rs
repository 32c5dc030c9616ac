//! What happens around every request: the API key, the access log and the count of answers.

use crate::{log, server::Server};
use axum::Json;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;

/// Routes that `http_requests_total` counts by name; others are counted as `none`.
const COUNTED: [&str; 3] = ["/v1/models", "/v1/completions", "/v1/chat/completions"];
/// Routes that prometheus-fastapi-instrumentator is told to leave out.
const UNCOUNTED: [&str; 5] = ["/metrics", "/health", "/load", "/ping", "/version"];

/// Guards /v1 with the API keys; everything else stays open.
pub(super) async fn authorise(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let guarded = !server.args.api_key.is_empty() && request.uri().path().starts_with("/v1");
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let key = given.and_then(|value| value.strip_prefix("Bearer "));
    if guarded && !key.is_some_and(|key| server.args.api_key.iter().any(|known| known == key)) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "Unauthorized"}))).into_response();
    }
    next.run(request).await
}

/// Counts the answer under its route and writes uvicorn's access log line.
pub(super) async fn record(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    if !UNCOUNTED.contains(&path.as_str()) {
        let handler = COUNTED.into_iter().find(|route| *route == path).unwrap_or("none");
        server.metrics.answered(handler, method.as_str(), status.as_u16());
    }
    log::uvicorn(&format!("{peer} - \"{method} {path} HTTP/1.1\" {status}"));
    response
}
