//! What the router does without a registry: keys, bodies, backends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{KEY, ask, backend, call, get, router};

#[tokio::test]
async fn a_call_without_a_known_key_is_refused() {
    let model = format!("llama={}", backend("a").await);
    let url = router(&["--static", &model]).await;
    let body = r#"{"model": "llama"}"#;
    for headers in [
        &[][..],
        &[("x-api-key", "wrong")],
        &[("authorization", "Bearer wrong")],
        &[("authorization", KEY)],
    ] {
        let answer = call(&url, headers, body.to_owned()).await;
        assert_eq!((answer.status, answer.code()), (401, "AUTH_INVALID"), "{headers:?}");
    }
    let bearer = format!("Bearer {KEY}");
    for headers in [[("x-api-key", KEY)], [("authorization", bearer.as_str())]] {
        assert_eq!(call(&url, &headers, body.to_owned()).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn an_answer_says_where_it_was_routed_and_the_backend_never_sees_the_key() {
    let address = backend("a").await.to_string();
    let url = router(&["--static", &format!("llama={address}")]).await;
    let answer = ask(&url, "llama").await;
    assert_eq!(
        (answer.backend.as_str(), answer.decision.as_str()),
        (address.as_str(), "static")
    );
    assert_eq!(answer.json["backend"], "a");
    assert_eq!(answer.json["saw_key"], false);
    assert!(answer.json["body"].as_str().unwrap().contains("llama"));
}

#[tokio::test]
async fn a_dead_backend_is_a_bad_gateway() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = router(&["--static", &format!("llama={free}")]).await;
    let answer = ask(&url, "llama").await;
    assert_eq!((answer.status, answer.code()), (502, "BACKEND_ERROR"));
    assert!(answer.error().contains(&free.to_string()), "{}", answer.error());
}

#[tokio::test]
async fn a_body_is_checked_before_it_is_routed() {
    let url = router(&[]).await;
    let key = [("x-api-key", KEY)];
    for (body, status, code) in [
        ("{not json".to_owned(), 400, "INVALID_REQUEST"),
        (r#"{"prompt": "Hi"}"#.to_owned(), 400, "VALIDATION_ERROR"),
        (
            format!(r#"{{"prompt": "{}"}}"#, "a".repeat(64 * 1024)),
            413,
            "INVALID_REQUEST",
        ),
        (r#"{"model": "llama"}"#.to_owned(), 404, "MODEL_NOT_FOUND"),
    ] {
        let answer = call(&url, &key, body).await;
        assert_eq!((answer.status, answer.code()), (status, code));
    }
}

#[tokio::test]
async fn health_needs_no_key() {
    let url = router(&[]).await;
    assert_eq!(get(&format!("{url}/v1/status/healthz")).await, 200);
    assert_eq!(get(&format!("{url}/v1/status/readyz")).await, 200);
}
