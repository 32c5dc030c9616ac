//! The routes.

use crate::args::Args;
use crate::error::Refusal;
use crate::forward::forward;
use crate::registry::Registry;
use crate::resolve::Resolver;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Bodies of this size and above are refused.
const BODY_LIMIT: usize = 64 * 1024;

struct Routes {
    keys: Vec<String>,
    registry: Registry,
    resolver: Resolver,
}

/// Routes until the task is dropped.
///
/// # Errors
/// What the listener fails with.
pub async fn serve(listener: TcpListener, args: Args) -> io::Result<()> {
    let routes = Routes {
        keys: args.api_key.clone(),
        resolver: Resolver::new(&args.resolve, args.resolve_file.clone()),
        registry: Registry::new(args),
    };
    let router = Router::new()
        .route("/v1/completions", post(route))
        .route("/v1/chat/completions", post(route))
        .route("/v1/status/healthz", get(async || Json(json!({"status": "ok"}))))
        .route("/v1/status/readyz", get(ready))
        .with_state(Arc::new(routes));
    axum::serve(listener, router).await
}

async fn ready(State(routes): State<Arc<Routes>>) -> Response {
    let Err(refusal) = routes.registry.ready().await else {
        return Json(json!({"status": "ready"})).into_response();
    };
    let mut response = refusal.into_response();
    *response.status_mut() = axum::http::StatusCode::SERVICE_UNAVAILABLE;
    response
}

async fn route(State(routes): State<Arc<Routes>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    routes
        .forward(uri.path(), &headers, body)
        .await
        .unwrap_or_else(Refusal::into_response)
}

/// The one field of a request that a router needs.
#[derive(Debug, Deserialize)]
struct Asked {
    model: Option<String>,
}

impl Routes {
    async fn forward(&self, path: &str, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
        if !self.lets_in(headers) {
            return Err(Refusal::Key);
        }
        let body: Bytes = axum::body::to_bytes(body, BODY_LIMIT - 1)
            .await
            .map_err(|_| Refusal::TooLarge)?;
        let json: Value = serde_json::from_slice(&body).map_err(|error| Refusal::Body(error.to_string()))?;
        let asked: Asked = serde_json::from_value(json).map_err(|error| Refusal::Body(error.to_string()))?;
        let model = asked.model.filter(|model| !model.is_empty()).ok_or(Refusal::NoModel)?;
        let (endpoint, decision) = self.registry.endpoint(&model).await?;
        let address = self.resolver.address(&endpoint).map_err(Refusal::Backend)?;
        let mut response = forward(address, &endpoint, path, headers, body).await?;
        let backend = HeaderValue::from_str(&endpoint).map_err(|error| Refusal::Backend(error.to_string()))?;
        response.headers_mut().insert("x-routing-backend", backend);
        response
            .headers_mut()
            .insert("x-routing-decision", HeaderValue::from_static(decision.name()));
        Ok(response)
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        let given = text("x-api-key").or(bearer);
        given.is_some_and(|given| self.keys.iter().any(|key| key == given))
    }
}
