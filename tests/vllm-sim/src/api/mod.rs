//! The HTTP API of a vLLM server.

mod access;
mod completions;
mod error;
mod info;
mod request;
mod shape;
mod stream;

pub use error::ApiError;

use crate::server::Server;
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

/// All routes. `/ready` and `/healthz` are not among them, as with vLLM: they answer 404.
pub fn router(server: Arc<Server>) -> Router {
    let mut routes = Router::new()
        .route("/health", get(info::health))
        .route("/ping", get(info::health).post(info::health))
        .route("/version", get(info::version))
        .route("/load", get(info::load))
        .route("/v1/models", get(info::models))
        .route("/v1/completions", post(completions::completions))
        .route("/v1/chat/completions", post(completions::chat));
    if !server.faults.no_metrics {
        routes = routes.route("/metrics", get(info::metrics));
    }
    routes
        .method_not_allowed_fallback(info::method_not_allowed)
        .fallback(info::not_found)
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&server),
            access::authorise,
        ))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&server),
            access::record,
        ))
        .with_state(server)
}
