//! A server without faults answers as vLLM 0.32.0 was seen to answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use support::{Sim, call};

const HELLO: &str = r#"{"model": "tiny", "prompt": "Hello, how are you?", "max_tokens": 10, "temperature": 0.7}"#;

#[tokio::test]
async fn health_and_ping_are_200_with_an_empty_body() {
    let sim = Sim::start("", &[]).await;
    for path in ["/health", "/ping"] {
        let answer = sim.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn the_runbooks_ready_route_does_not_exist() {
    let sim = Sim::start("", &[]).await;
    for path in ["/ready", "/healthz", "/"] {
        let answer = sim.get(path).await;
        assert_eq!(
            (answer.status, answer.text.as_str()),
            (404, r#"{"detail":"Not Found"}"#),
            "{path}"
        );
    }
}

#[tokio::test]
async fn version_load_and_models_describe_the_server() {
    let sim = Sim::start("--max-model-len 512", &[]).await;
    assert_eq!(sim.get("/version").await.json(), json!({"version": "0.32.0"}));
    assert_eq!(sim.get("/load").await.json(), json!({"server_load": 0}));
    let models = sim.get("/v1/models").await.json();
    let card = &models["data"][0];
    assert_eq!(card["id"], "tiny");
    assert_eq!(card["owned_by"], "vllm");
    assert_eq!(card["root"], "/models/tiny");
    assert_eq!(card["max_model_len"], 512);
}

#[tokio::test]
async fn a_completion_names_weights_and_revision_and_counts_its_tokens() {
    let sim = Sim::start("", &[("WEIGHTS", "w1"), ("REVISION", "3")]).await;
    let answer = sim.complete(HELLO).await.json();
    let text = answer["choices"][0]["text"].as_str().unwrap();
    assert!(text.starts_with(" I am tiny at weights w1, revision 3. "), "{text}");
    assert_eq!(text.split_whitespace().count(), 10);
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["model"], "tiny");
    assert_eq!(answer["object"], "text_completion");
    assert!(answer["id"].as_str().unwrap().starts_with("cmpl-"));
    assert_eq!(answer["usage"]["prompt_tokens"], 4);
    assert_eq!(answer["usage"]["completion_tokens"], 10);
    assert_eq!(answer["usage"]["total_tokens"], 14);
    assert!(answer["system_fingerprint"].is_string());
}

#[tokio::test]
async fn the_default_length_is_16_tokens_for_a_completion_and_the_whole_answer_for_a_chat() {
    let sim = Sim::start("", &[]).await;
    let completion = sim.complete(r#"{"prompt": "Hi"}"#).await.json();
    assert_eq!(completion["usage"]["completion_tokens"], 16);
    let chat = sim
        .chat(r#"{"messages": [{"role": "user", "content": "Hi there"}]}"#)
        .await
        .json();
    assert_eq!(chat["object"], "chat.completion");
    assert_eq!(chat["choices"][0]["finish_reason"], "stop");
    let content = chat["choices"][0]["message"]["content"].as_str().unwrap();
    assert!(
        content.starts_with("I am tiny at weights unset, revision unset."),
        "{content}"
    );
    assert_eq!(chat["usage"]["prompt_tokens"], 2);
}

#[tokio::test]
async fn a_streamed_completion_is_the_whole_one_in_parts() {
    let sim = Sim::start("", &[("WEIGHTS", "w1")]).await;
    let whole = sim.complete(r#"{"prompt": "Hi", "max_tokens": 12}"#).await.json();
    let body = r#"{"prompt": "Hi", "max_tokens": 12, "stream": true, "stream_options": {"include_usage": true}}"#;
    let stream = sim.complete(body).await;
    assert_eq!(
        (stream.status, stream.content_type.as_str()),
        (200, "text/event-stream; charset=utf-8")
    );
    let events = stream.events();
    assert_eq!(events.len(), 14, "12 tokens, usage and [DONE]");
    let text: String = events
        .iter()
        .filter_map(|event| event["choices"][0]["text"].as_str())
        .collect();
    assert_eq!(text, whole["choices"][0]["text"].as_str().unwrap());
    assert!(events[10]["choices"][0]["finish_reason"].is_null());
    assert_eq!(events[11]["choices"][0]["finish_reason"], "length");
    assert_eq!(events[12]["usage"]["completion_tokens"], 12);
    assert_eq!(events[13], "[DONE]");
}

#[tokio::test]
async fn a_streamed_chat_begins_with_the_role() {
    let sim = Sim::start("", &[]).await;
    let body = r#"{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "stream": true}"#;
    let events = sim.chat(body).await.events();
    assert_eq!(events[0]["object"], "chat.completion.chunk");
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let text: String = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "I am tiny");
}

#[tokio::test]
async fn an_unknown_model_is_404_and_names_the_aliases() {
    let sim = Sim::start("", &[]).await;
    let answer = sim.complete(r#"{"model": "nope", "prompt": "Hi"}"#).await;
    assert_eq!(answer.status, 404);
    let message = "The model `nope` does not exist. Valid aliases: tiny.";
    let error = json!({"message": message, "type": "NotFoundError", "param": "model", "code": 404});
    assert_eq!(answer.json(), json!({"error": error}));
}

#[tokio::test]
async fn a_bad_request_is_400_and_says_why() {
    let sim = Sim::start("--max-model-len 20", &[]).await;
    for (body, why) in [
        ("{not json", "JSON decode error"),
        (
            r#"{"prompt": "Hi", "max_tokens": 0}"#,
            "max_tokens must be at least 1, got 0.",
        ),
        (
            r#"{"prompt": "Hi", "max_tokens": 20}"#,
            "This model's maximum context length is 20 tokens.",
        ),
        (r#"{"max_tokens": 1}"#, "prompt must be"),
    ] {
        let answer = sim.complete(body).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status, error["code"].as_i64()), (400, Some(400)), "{body}");
        assert_eq!(error["type"], "BadRequestError", "{body}");
        assert!(error["message"].as_str().unwrap().starts_with(why), "{body}: {error}");
    }
    let answer = call(
        sim.address,
        "POST",
        "/v1/completions",
        &[("content-type", "text/plain")],
        HELLO,
    )
    .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn an_api_key_guards_v1_and_nothing_else() {
    let sim = Sim::start("--api-key s3cret other", &[]).await;
    let answer = sim.complete(HELLO).await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (401, r#"{"error":"Unauthorized"}"#)
    );
    assert_eq!(sim.get("/v1/models").await.status, 401);
    for path in ["/health", "/version", "/metrics"] {
        assert_eq!(sim.get(path).await.status, 200, "{path}");
    }
    for (key, status) in [
        ("Bearer s3cret", 200),
        ("Bearer other", 200),
        ("Bearer wrong", 401),
        ("s3cret", 401),
    ] {
        let answer = call(sim.address, "POST", "/v1/completions", &[("authorization", key)], HELLO).await;
        assert_eq!(answer.status, status, "{key}");
    }
}

#[tokio::test]
async fn two_sets_of_weights_differ_in_log_probabilities_and_not_in_the_fingerprint() {
    let body = r#"{"prompt": "Hi", "max_tokens": 2, "logprobs": 1}"#;
    let first = Sim::start("", &[("WEIGHTS", "w1")]).await.complete(body).await.json();
    let second = Sim::start("", &[("WEIGHTS", "w2")]).await.complete(body).await.json();
    assert_eq!(first["choices"][0]["text"], second["choices"][0]["text"]);
    assert_eq!(first["system_fingerprint"], second["system_fingerprint"]);
    let logprobs = |answer: &serde_json::Value| answer["choices"][0]["logprobs"]["token_logprobs"].clone();
    assert_eq!(logprobs(&first).as_array().unwrap().len(), 2);
    assert_ne!(logprobs(&first), logprobs(&second));
}

#[tokio::test]
async fn chat_log_probabilities_carry_their_bytes_and_alternatives() {
    let sim = Sim::start("", &[]).await;
    let body =
        r#"{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2, "logprobs": true, "top_logprobs": 2}"#;
    let answer = sim.chat(body).await.json();
    let content = &answer["choices"][0]["logprobs"]["content"][0];
    assert_eq!(content["token"], " I");
    assert_eq!(content["bytes"], json!([32, 73]));
    assert_eq!(content["top_logprobs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn metrics_count_completions_by_outcome_and_leave_out_probes() {
    let sim = Sim::start("", &[]).await;
    sim.complete(HELLO).await;
    sim.complete(HELLO).await;
    sim.complete(r#"{"model": "nope", "prompt": "Hi"}"#).await;
    sim.get("/health").await;
    let metrics = sim.get("/metrics").await;
    assert!(metrics.content_type.starts_with("text/plain"));
    for line in [
        r#"http_requests_total{handler="/v1/completions",method="POST",status="2xx"} 2.0"#,
        r#"http_requests_total{handler="/v1/completions",method="POST",status="4xx"} 1.0"#,
        r#"vllm:request_success_total{engine="0",finished_reason="length",model_name="tiny"} 2.0"#,
        r#"vllm:generation_tokens_total{engine="0",model_name="tiny"} 20.0"#,
        r#"vllm:num_requests_running{engine="0",model_name="tiny"} 0.0"#,
    ] {
        assert!(
            metrics.text.lines().any(|found| found == line),
            "no line {line} in\n{}",
            metrics.text
        );
    }
    assert!(!metrics.text.contains("/health"));
}

#[tokio::test]
async fn a_known_route_with_the_wrong_method_is_405() {
    let sim = Sim::start("", &[]).await;
    let answer = sim.get("/v1/completions").await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (405, r#"{"detail":"Method Not Allowed"}"#)
    );
}
