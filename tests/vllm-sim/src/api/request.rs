//! Request bodies: read, checked, and brought to one form for completions and chats.

use super::ApiError;
use crate::server::Server;
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::Value;

/// Which of the two APIs was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Completion,
    Chat,
}

/// The fields that change an answer; others are accepted and not looked at, as with vLLM.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    model: Option<String>,
    prompt: Option<Value>,
    messages: Option<Vec<Value>>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    n: Option<usize>,
    ignore_eos: Option<bool>,
    /// A number for completions, true or false for chats.
    logprobs: Option<Value>,
    top_logprobs: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// A request that is in order.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) kind: Kind,
    pub(super) id: String,
    /// Name that the answer carries.
    pub(super) model: String,
    pub(super) prompt_tokens: usize,
    /// Answers asked for: prompts times `n`.
    pub(super) choices: usize,
    pub(super) max_tokens: usize,
    pub(super) ignore_eos: bool,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// How many alternatives each token is given with; `None` gives no log probabilities.
    pub(super) logprobs: Option<usize>,
}

impl Job {
    pub(super) fn read(server: &Server, kind: Kind, headers: &HeaderMap, bytes: &[u8]) -> Result<Self, ApiError> {
        let content_type = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if !content_type.to_ascii_lowercase().starts_with("application/json") {
            let message = "Unsupported Media Type: Only 'application/json' is allowed";
            return Err(ApiError::bad_request(None, message));
        }
        let body: Body = serde_json::from_slice(bytes)
            .map_err(|error| ApiError::bad_request(None, format!("JSON decode error: {error}")))?;
        let asked = body.model.as_deref().unwrap_or_default();
        if !server.serves(asked) {
            return Err(ApiError::unknown_model(asked, &server.names));
        }
        let prompts = prompts(kind, &body)?;
        let prompt_tokens = prompts.iter().sum();
        let longest = prompts.iter().copied().max().unwrap_or_default();
        let id = headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let id = id.unwrap_or_else(|| server.request_id());
        Ok(Self {
            kind,
            id: format!("{}-{id}", if kind == Kind::Chat { "chatcmpl" } else { "cmpl" }),
            model: server
                .faults
                .answer_model
                .clone()
                .unwrap_or_else(|| server.names[0].clone()),
            prompt_tokens,
            choices: prompts.len() * body.n.unwrap_or(1).max(1),
            max_tokens: max_tokens(kind, &body, longest, server.args.max_model_len)?,
            ignore_eos: body.ignore_eos.unwrap_or(false),
            stream: body.stream.unwrap_or(false),
            include_usage: body
                .stream_options
                .and_then(|options| options.include_usage)
                .unwrap_or(false),
            logprobs: match (body.logprobs, kind) {
                (Some(Value::Bool(true)), Kind::Chat) => Some(body.top_logprobs.unwrap_or(0)),
                (Some(Value::Number(count)), Kind::Completion) => count.as_u64().and_then(|n| usize::try_from(n).ok()),
                _ => None,
            },
        })
    }
}

/// Token counts of the prompts. A token is a word; a list of numbers is a prompt of tokens.
fn prompts(kind: Kind, body: &Body) -> Result<Vec<usize>, ApiError> {
    match (kind, &body.prompt, &body.messages) {
        (Kind::Chat, _, Some(messages)) if !messages.is_empty() => Ok(vec![
            messages.iter().map(|message| words(&message["content"]).max(1)).sum(),
        ]),
        (Kind::Chat, ..) => Err(ApiError::bad_request(
            Some("messages"),
            "messages must have at least one element",
        )),
        (Kind::Completion, Some(Value::Array(items)), _) if items.iter().all(Value::is_number) && !items.is_empty() => {
            Ok(vec![items.len()])
        }
        (Kind::Completion, Some(Value::Array(items)), _) if !items.is_empty() => Ok(items.iter().map(words).collect()),
        (Kind::Completion, Some(prompt @ Value::String(_)), _) => Ok(vec![words(prompt)]),
        (Kind::Completion, ..) => Err(ApiError::bad_request(
            Some("prompt"),
            "prompt must be a string or a list",
        )),
    }
}

fn words(value: &Value) -> usize {
    match value {
        Value::String(text) => text.split_whitespace().count(),
        Value::Array(items) => items.iter().map(|item| words(item.get("text").unwrap_or(item))).sum(),
        Value::Number(_) => 1,
        _ => 0,
    }
}

/// The limit of the answer: 16 for a completion and the rest of the context for a chat, unless it was given.
fn max_tokens(kind: Kind, body: &Body, prompt: usize, context: usize) -> Result<usize, ApiError> {
    let given = body
        .max_completion_tokens
        .filter(|_| kind == Kind::Chat)
        .or(body.max_tokens);
    let Some(room) = context.checked_sub(prompt).filter(|room| *room > 0) else {
        let message = format!(
            "This model's maximum context length is {context} tokens. However, your request has {prompt} input tokens. \
             Please reduce the length of the input messages."
        );
        return Err(ApiError::bad_request(Some("input_tokens"), message));
    };
    let limit = match (given, kind) {
        (Some(limit), _) => usize::try_from(limit).ok().filter(|limit| *limit > 0).ok_or_else(|| {
            ApiError::bad_request(
                Some("max_tokens"),
                format!("max_tokens must be at least 1, got {limit}."),
            )
        })?,
        (None, Kind::Completion) => room.min(16),
        (None, Kind::Chat) => room,
    };
    if limit > room {
        let message = format!(
            "This model's maximum context length is {context} tokens. However, you requested {limit} output tokens and \
             your prompt contains {prompt} input tokens, for a total of {} tokens. Please reduce the length of the \
             input prompt or the number of requested output tokens.",
            limit + prompt
        );
        return Err(ApiError::bad_request(Some("max_tokens"), message));
    }
    Ok(limit)
}
