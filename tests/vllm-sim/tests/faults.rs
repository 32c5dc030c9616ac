//! Each fault of a running server shows, and nothing else does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;
use support::{Answer, Sim};
use tokio::time::{Instant, timeout};

const HELLO: &str = r#"{"prompt": "Hi", "max_tokens": 6}"#;
const STREAM: &str = r#"{"prompt": "Hi", "max_tokens": 6, "stream": true}"#;

async fn completion(faults: &[(&str, &str)], body: &str) -> Answer {
    Sim::start("", faults).await.complete(body).await
}

#[tokio::test]
async fn health_can_fail_while_completions_answer() {
    let sim = Sim::start("", &[("HEALTH_STATUS", "503")]).await;
    let health = sim.get("/health").await;
    assert_eq!((health.status, health.text.as_str()), (503, ""));
    assert_eq!(sim.complete(HELLO).await.status, 200);
}

#[tokio::test]
async fn a_hanging_server_is_healthy_and_shows_the_request_as_running() {
    let sim = Sim::start("--max-num-seqs 1", &[("HANG", "true")]).await;
    let hanging = [sim.complete(HELLO), sim.complete(STREAM)];
    let both = timeout(Duration::from_millis(500), futures::future::join_all(hanging));
    let watched = async {
        let taken = async {
            while sim.server.metrics.open() < 2 {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(5), taken).await.unwrap();
        assert_eq!(sim.get("/health").await.status, 200);
        let metrics = sim.get("/metrics").await.text;
        for gauge in ["running", "waiting"] {
            let line = format!("vllm:num_requests_{gauge}{{engine=\"0\",model_name=\"tiny\"}} 1.0");
            assert!(metrics.contains(&line), "{metrics}");
        }
    };
    let (answered, ()) = tokio::join!(both, watched);
    assert!(answered.is_err(), "a hanging server answered");
}

#[tokio::test]
async fn the_text_can_be_garbage_or_repetition_or_nothing() {
    for (kind, text) in [
        ("garbage", "!!!!!!"),
        ("repetition", " the the the the the the"),
        ("empty", ""),
    ] {
        let answer = completion(&[("TEXT", kind)], HELLO).await.json();
        assert_eq!(answer["choices"][0]["text"], text);
        let streamed = completion(&[("TEXT", kind)], STREAM).await.events();
        let joined: String = streamed
            .iter()
            .filter_map(|event| event["choices"][0]["text"].as_str())
            .collect();
        assert_eq!(joined, text);
        assert_eq!(streamed.last().unwrap(), "[DONE]");
    }
}

#[tokio::test]
async fn an_answer_can_lack_choices() {
    assert_eq!(
        completion(&[("EMPTY_CHOICES", "1")], HELLO).await.json()["choices"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn an_answer_can_carry_the_name_of_another_model() {
    assert_eq!(
        completion(&[("ANSWER_MODEL", "other")], HELLO).await.json()["model"],
        "other"
    );
}

#[tokio::test]
async fn another_model_can_be_served_than_the_one_asked_for() {
    let sim = Sim::start("", &[("SERVE_MODEL", "other")]).await;
    assert_eq!(sim.get("/v1/models").await.json()["data"][0]["id"], "other");
    assert_eq!(sim.complete(r#"{"model": "tiny", "prompt": "Hi"}"#).await.status, 404);
    assert_eq!(sim.complete(r#"{"model": "other", "prompt": "Hi"}"#).await.status, 200);
}

#[tokio::test]
async fn a_share_of_completions_fails_evenly() {
    let sim = Sim::start("", &[("ERROR_SHARE", "0.25")]).await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(sim.complete(HELLO).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 500, 200, 200, 200, 500]);
    let metrics = sim.get("/metrics").await.text;
    assert!(metrics.contains(r#"http_requests_total{handler="/v1/completions",method="POST",status="5xx"} 2.0"#));
}

#[tokio::test]
async fn tokens_take_the_time_they_are_told_to() {
    for body in [HELLO, STREAM] {
        let start = Instant::now();
        completion(&[("FIRST_TOKEN_MS", "80"), ("TOKEN_MS", "20")], body).await;
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(180),
            "80 ms and 5 times 20 ms took {took:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_can_break_off() {
    let answer = completion(&[("BREAK_STREAM_AFTER", "2")], STREAM).await;
    assert!(answer.broken);
    assert_eq!((answer.status, answer.events().len()), (200, 2));
}

#[tokio::test]
async fn metrics_can_be_missing() {
    assert_eq!(
        Sim::start("", &[("NO_METRICS", "true")])
            .await
            .get("/metrics")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_frees_its_place() {
    let sim = Sim::start("", &[("TOKEN_MS", "10000")]).await;
    let left = timeout(Duration::from_millis(100), sim.complete(STREAM)).await;
    assert!(left.is_err());
    timeout(Duration::from_secs(5), async {
        while sim.server.metrics.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}
