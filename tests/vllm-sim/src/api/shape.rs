//! The JSON forms of an answer: whole or as a chunk of a stream, as completion or as chat.

use super::request::{Job, Kind};
use crate::answer::{Answer, Token};
use crate::server::Server;
use serde_json::{Value, json};

/// The object around the choices.
pub(super) fn envelope(server: &Server, job: &Job, form: Form, choices: Vec<Value>, usage: Option<Value>) -> Value {
    let object = match (job.kind, form) {
        (Kind::Completion, _) => "text_completion",
        (Kind::Chat, Form::Whole) => "chat.completion",
        (Kind::Chat, Form::Chunk) => "chat.completion.chunk",
    };
    let choices = if server.faults.empty_choices {
        Vec::new()
    } else {
        choices
    };
    let mut body = json!({
        "id": job.id,
        "object": object,
        "created": jiff::Timestamp::now().as_second(),
        "model": job.model,
        "choices": choices,
        "system_fingerprint": server.fingerprint(),
    });
    if form == Form::Whole {
        body["service_tier"] = Value::Null;
        body["kv_transfer_params"] = Value::Null;
    }
    if let Some(usage) = usage {
        body["usage"] = usage;
    }
    body
}

/// Whether an answer comes at once or in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    Chunk,
}

pub(super) fn usage(job: &Job, completion_tokens: usize) -> Value {
    json!({
        "prompt_tokens": job.prompt_tokens,
        "total_tokens": job.prompt_tokens + completion_tokens,
        "completion_tokens": completion_tokens,
        "prompt_tokens_details": null,
    })
}

/// The choice of a whole answer.
pub(super) fn choice(job: &Job, index: usize, answer: &Answer) -> Value {
    let mut choice = json!({
        "index": index,
        "logprobs": logprobs(job, &answer.tokens, 0),
        "finish_reason": answer.finish_reason,
        "stop_reason": null,
        "token_ids": null,
    });
    match job.kind {
        Kind::Completion => choice["text"] = answer.text().into(),
        Kind::Chat => {
            let text = answer.text();
            choice["message"] = json!({
                "role": "assistant",
                "content": text.trim_start(),
                "refusal": null,
                "tool_calls": [],
                "reasoning": null,
            });
        }
    }
    choice
}

/// The choice of a chunk that brings one token, which begins at byte `offset` of the text.
pub(super) fn delta(job: &Job, index: usize, token: &Token, offset: usize, finish_reason: Option<&str>) -> Value {
    let mut choice = json!({
        "index": index,
        "logprobs": logprobs(job, std::slice::from_ref(token), offset),
        "finish_reason": finish_reason,
        "stop_reason": null,
        "token_ids": null,
    });
    match job.kind {
        Kind::Completion => choice["text"] = token.text.as_str().into(),
        Kind::Chat if offset == 0 => choice["delta"] = json!({"content": token.text.trim_start()}),
        Kind::Chat => choice["delta"] = json!({"content": token.text}),
    }
    choice
}

/// The choice of a chat's first chunk.
pub(super) fn role(index: usize) -> Value {
    json!({"index": index, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null})
}

fn logprobs(job: &Job, tokens: &[Token], start: usize) -> Value {
    let Some(alternatives) = job.logprobs else {
        return Value::Null;
    };
    // The token itself comes first among the alternatives; the others are made up, each less likely than the last.
    let ranked = |token: &Token| {
        let other = |rank: u32| (format!("{}~{rank}", token.text), token.logprob - f64::from(rank));
        let others = (1..).map(other).take(alternatives.saturating_sub(1));
        let chosen = (token.text.clone(), token.logprob);
        std::iter::once(chosen)
            .take(alternatives)
            .chain(others)
            .collect::<Vec<_>>()
    };
    match job.kind {
        Kind::Completion => {
            let offsets = tokens.iter().scan(start, |offset, token| {
                let begins = *offset;
                *offset += token.text.len();
                Some(begins)
            });
            json!({
                "text_offset": offsets.collect::<Vec<_>>(),
                "token_logprobs": tokens.iter().map(|token| token.logprob).collect::<Vec<_>>(),
                "tokens": tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>(),
                "top_logprobs": tokens
                    .iter()
                    .map(|token| ranked(token).into_iter().map(|(text, logprob)| (text, logprob.into())).collect())
                    .collect::<Vec<serde_json::Map<String, Value>>>(),
            })
        }
        Kind::Chat => {
            let entry = |text: &str, logprob: f64| json!({"token": text, "logprob": logprob, "bytes": text.as_bytes()});
            let content = tokens.iter().map(|token| {
                let mut content = entry(&token.text, token.logprob);
                let top = ranked(token).into_iter().map(|(text, logprob)| entry(&text, logprob));
                content["top_logprobs"] = top.collect();
                content
            });
            json!({"content": content.collect::<Vec<_>>()})
        }
    }
}
