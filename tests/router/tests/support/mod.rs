//! A router in this process, a backend that answers with its name, and calls.
#![allow(dead_code, reason = "each suite uses its part")]

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use clap::Parser as _;
use contract_router::Args;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "test-key";

/// A backend that answers every completion with `name` and the headers that it saw.
pub(crate) async fn backend(name: &'static str) -> SocketAddr {
    let answer = move |headers: HeaderMap, body: String| async move {
        let authorised = headers.contains_key("authorization") || headers.contains_key("x-api-key");
        axum::Json(serde_json::json!({"backend": name, "saw_key": authorised, "body": body}))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new()
        .route("/v1/completions", post(answer))
        .route("/v1/chat/completions", post(answer));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// Starts a router with the key; gives its URL.
pub(crate) async fn router(arguments: &[&str]) -> String {
    let args = ["contract-router", "--api-key", KEY].iter().chain(arguments);
    let args = Args::parse_from(args);
    let listener = TcpListener::bind(args.listen).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(contract_router::serve(listener, args));
    url
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) backend: String,
    pub(crate) decision: String,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn error(&self) -> &str {
        self.json["error"].as_str().unwrap_or_default()
    }
}

pub(crate) async fn call(url: &str, headers: &[(&str, &str)], body: String) -> Answer {
    let client = vllm_rollback_harness::http::client(Duration::from_secs(20))
        .build()
        .unwrap();
    let mut request = client.post(format!("{url}/v1/completions")).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    Answer {
        status: response.status().as_u16(),
        backend: header("x-routing-backend").unwrap_or_default(),
        decision: header("x-routing-decision").unwrap_or_default(),
        json: response.json().await.unwrap(),
    }
}

/// Asks for a completion of `model` with the key.
pub(crate) async fn ask(url: &str, model: &str) -> Answer {
    call(
        url,
        &[("x-api-key", KEY)],
        serde_json::json!({"model": model, "prompt": "Hi"}).to_string(),
    )
    .await
}

pub(crate) async fn get(url: &str) -> u16 {
    let client = vllm_rollback_harness::http::client(Duration::from_secs(20))
        .build()
        .unwrap();
    client.get(url).send().await.unwrap().status().as_u16()
}
