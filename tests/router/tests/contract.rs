//! The registry contract on a real PostgreSQL and a real Redis.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{ask, backend, get, router};
use vllm_rollback_harness::databases::{Postgres, Redis};

const ENDPOINT: &str = "llama.system.svc.cluster.local:8000";
const KEY: &str = "model_registry:production:llama";

fn set_status(postgres: &Postgres, status: &str) {
    postgres.sql(&format!(
        "update model_registry_entries set deployment_status = '{status}'"
    ));
}

#[tokio::test]
async fn a_disabled_row_is_routed_to_until_its_cached_copy_is_gone() {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    postgres.register("llama", "production", ENDPOINT, "ready");
    let resolve = format!("llama.system.svc.cluster.local={}", backend("a").await);
    let databases = ["--postgres", &postgres.url(), "--redis", &redis.url()];
    let url = router(&[&databases[..], &["--environment", "production", "--resolve", &resolve]].concat()).await;

    let first = ask(&url, "llama").await;
    assert_eq!(
        (first.status, first.decision.as_str(), first.backend.as_str()),
        (200, "registry", ENDPOINT)
    );
    assert_eq!(ask(&url, "llama").await.decision, "cache");
    let ttl: u32 = redis.command(&["TTL", KEY]).parse().unwrap();
    assert!((100..=120).contains(&ttl), "kept for {ttl} s");
    let kept: serde_json::Value = serde_json::from_str(&redis.command(&["GET", KEY])).unwrap();
    assert_eq!(kept["DeploymentEndpoint"], ENDPOINT);
    assert_eq!(kept["DeploymentStatus"], "ready");
    assert_eq!(kept["ModelID"].as_str().unwrap().len(), 36);

    set_status(&postgres, "disabled");
    assert_eq!(
        ask(&url, "llama").await.status,
        200,
        "the cached copy is still believed"
    );
    redis.command(&["DEL", KEY]);
    let refused = ask(&url, "llama").await;
    assert_eq!((refused.status, refused.code()), (503, "MODEL_UNAVAILABLE"));
    assert_eq!(refused.error(), "model not ready: llama in production is disabled");

    set_status(&postgres, "ready");
    assert_eq!(ask(&url, "llama").await.status, 200, "a refusal is not cached");
}

#[tokio::test]
async fn a_row_counts_only_in_its_environment_and_with_an_endpoint() {
    let postgres = Postgres::start();
    postgres.register("llama", "staging", ENDPOINT, "ready");
    postgres.register("bare", "production", ENDPOINT, "ready");
    postgres.sql("update model_registry_entries set deployment_endpoint = null where model_name = 'bare'");
    let url = router(&["--postgres", &postgres.url(), "--environment", "production"]).await;
    let elsewhere = ask(&url, "llama").await;
    assert_eq!((elsewhere.status, elsewhere.code()), (404, "MODEL_NOT_FOUND"));
    let bare = ask(&url, "bare").await;
    assert_eq!(
        (bare.status, bare.error()),
        (503, "model not ready: bare in production is without endpoint")
    );
    assert_eq!(get(&format!("{url}/v1/status/readyz")).await, 200);

    drop(postgres);
    let lost = ask(&url, "llama").await;
    assert_eq!((lost.status, lost.code()), (500, "ROUTING_ERROR"));
    assert_eq!(get(&format!("{url}/v1/status/readyz")).await, 503);
}

#[tokio::test]
async fn a_redis_out_of_reach_and_an_endpoint_without_address_are_told_apart() {
    let postgres = Postgres::start();
    postgres.register("llama", "production", ENDPOINT, "ready");
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let redis = format!("redis://{closed}");
    let addresses = tempfile::NamedTempFile::new().unwrap();
    let file = addresses.path().to_str().unwrap();
    let databases = ["--postgres", &postgres.url(), "--redis", &redis];
    let url = router(&[&databases[..], &["--environment", "production", "--resolve-file", file]].concat()).await;

    let unresolved = ask(&url, "llama").await;
    assert_eq!((unresolved.status, unresolved.code()), (502, "BACKEND_ERROR"));
    let (a, b) = (backend("a").await, backend("b").await);
    std::fs::write(file, format!("{ENDPOINT}={a}\n{ENDPOINT}={b}\n")).unwrap();
    let mut answered = Vec::new();
    for _ in 0..4 {
        answered.push(ask(&url, "llama").await.json["backend"].as_str().unwrap().to_owned());
    }
    assert_eq!(answered, ["a", "b", "a", "b"]);
}
