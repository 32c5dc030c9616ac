//! The part of the OpenAI API that vLLM serves and checks need: the model list and a completion.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Request, Response, Target, text};

/// One served name, from `GET /v1/models`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Model {
    /// The name that clients ask for.
    pub id: String,
    /// Path of the weights; the same for all names of one model. vLLM's own field.
    pub root: Option<String>,
    /// Set for a LoRA adapter: the model it sits on. vLLM's own field.
    pub parent: Option<String>,
    /// Longest context in tokens. vLLM's own field.
    pub max_model_len: Option<u64>,
}

/// Path of the model list.
pub const MODELS: &str = "/v1/models";

/// Reads a model list.
///
/// # Errors
/// What the body is instead.
pub fn models(body: &[u8]) -> Result<Vec<Model>, String> {
    #[derive(Deserialize)]
    struct List {
        data: Vec<Model>,
    }
    serde_json::from_slice::<List>(body)
        .map(|list| list.data)
        .map_err(|error| format!("{MODELS} answered no model list ({})", text::line(&error.to_string())))
}

/// The two forms of asking for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `POST /v1/completions`.
    Completion,
    /// `POST /v1/chat/completions`, for servers which have only that.
    Chat,
}

/// Request for a completion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prompt<'a> {
    /// Served name.
    pub model: &'a str,
    /// The words.
    pub text: &'a str,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// 0 is greedy.
    pub temperature: f64,
}

/// Content of a response with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The model that says it answered.
    pub model: Option<String>,
    /// Number of choices.
    pub choices: usize,
    /// Text of the first choice; of a reasoning model that did not get further, its reasoning.
    pub text: String,
    /// `stop`, `length`, … of the first choice.
    pub finish_reason: Option<String>,
    /// Tokens that the server says it generated.
    pub completion_tokens: Option<u64>,
}

impl Form {
    /// The path of this form.
    pub fn path(self) -> &'static str {
        match self {
            Self::Completion => "/v1/completions",
            Self::Chat => "/v1/chat/completions",
        }
    }

    /// The request, not streamed.
    pub fn request(self, target: Target<'_>, prompt: &Prompt<'_>) -> Request {
        let mut document = json!({
            "model": prompt.model,
            "max_tokens": prompt.max_tokens,
            "temperature": prompt.temperature,
        });
        match self {
            Self::Completion => document["prompt"] = json!(prompt.text),
            Self::Chat => document["messages"] = json!([{ "role": "user", "content": prompt.text }]),
        }
        Request::post_json(target, self.path(), &document)
    }

    /// Reads the body of a 200.
    ///
    /// # Errors
    /// That it is not JSON, or no object.
    pub fn answer(self, body: &[u8]) -> Result<Answer, String> {
        let document: Value =
            serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON ({error})"))?;
        if !document.is_object() {
            return Err("the answer is no JSON object".to_owned());
        }
        let choice = &document["choices"][0];
        let texts = match self {
            Self::Completion => vec![&choice["text"]],
            Self::Chat => {
                let message = &choice["message"];
                vec![
                    &message["content"],
                    &message["reasoning"],
                    &message["reasoning_content"],
                ]
            }
        };
        let text = texts
            .into_iter()
            .filter_map(Value::as_str)
            .find(|text| !text.is_empty())
            .unwrap_or_default();
        Ok(Answer {
            model: document["model"].as_str().map(str::to_owned),
            choices: document["choices"].as_array().map_or(0, Vec::len),
            text: text.to_owned(),
            finish_reason: choice["finish_reason"].as_str().map(str::to_owned),
            completion_tokens: document["usage"]["completion_tokens"].as_u64(),
        })
    }
}

/// Reason why a response is no 200, by who has to act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 401, 403: the key is missing or wrong.
    Key,
    /// 402: the caller's budget or quota is used up.
    Budget,
    /// 429: the caller asks too often.
    TooOften,
    /// 404 for the model: the server does not serve that name.
    NoSuchModel,
    /// The server has no such route, or the model cannot be asked in this form.
    NoSuchForm,
    /// Any other 4xx.
    Rejected,
    /// 5xx and what is no HTTP answer at all.
    Server,
}

impl Refusal {
    /// Sorts an answer that is no 200.
    ///
    /// vLLM says 404 both for a route that it does not have (`{"detail":"Not Found"}`) and for a model that it does not
    /// serve (`The model … does not exist`); for a model of another kind it says that it `does not support` the API.
    pub fn from_response(response: &Response) -> Self {
        let message = error_message(&response.body);
        match response.status {
            401 | 403 => Self::Key,
            402 => Self::Budget,
            429 => Self::TooOften,
            400..=499 | 501 if message.contains("does not support") => Self::NoSuchForm,
            404 if names_a_model(&message) => Self::NoSuchModel,
            404 | 405 => Self::NoSuchForm,
            400..=499 => Self::Rejected,
            _ => Self::Server,
        }
    }
}

fn names_a_model(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("model") && (message.contains("not exist") || message.contains("not found"))
}

/// The message of an error body in one of the forms that servers use, else the start of the body.
///
/// vLLM nests it under `error` since 0.10.1 and had it flat before; routers write `error`, FastAPI `detail`.
pub fn error_message(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let places = [
        &document["error"]["message"],
        &document["error"],
        &document["message"],
        &document["detail"],
    ];
    match places.into_iter().find_map(Value::as_str) {
        Some(message) => text::line(message),
        None => text::body(body, text::LINE),
    }
}

/// One line for an answer that is no 200: `500: engine died`.
pub fn refusal(response: &Response) -> String {
    match error_message(&response.body) {
        message if message.trim().is_empty() => format!("{} with an empty body", response.status),
        message => format!("{}: {message}", response.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> Response {
        Response {
            status,
            headers: Vec::new(),
            body: body.into(),
            first_byte_ms: 1.0,
            total_ms: 1.0,
            extra: Vec::new(),
        }
    }

    #[test]
    fn a_missing_route_and_a_missing_model_are_told_apart() {
        let model = r#"{"error":{"message":"The model `nope` does not exist. Valid aliases: tiny.","type":"NotFoundError","param":"model","code":404}}"#;
        assert_eq!(Refusal::from_response(&refused(404, model)), Refusal::NoSuchModel);
        assert_eq!(
            Refusal::from_response(&refused(404, r#"{"detail":"Not Found"}"#)),
            Refusal::NoSuchForm
        );
        let flat = r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}"#;
        assert_eq!(Refusal::from_response(&refused(404, flat)), Refusal::NoSuchModel);
        let router = r#"{"error":"Model 'x' not found. Available models can be listed at /v1/models."}"#;
        assert_eq!(Refusal::from_response(&refused(404, router)), Refusal::NoSuchModel);
        let kind = r#"{"error":{"message":"The model does not support Completions API","code":400}}"#;
        assert_eq!(Refusal::from_response(&refused(400, kind)), Refusal::NoSuchForm);
    }

    #[test]
    fn a_refusal_of_the_caller_is_not_the_servers_fault() {
        for (status, refusal) in [
            (401, Refusal::Key),
            (403, Refusal::Key),
            (402, Refusal::Budget),
            (429, Refusal::TooOften),
            (400, Refusal::Rejected),
            (500, Refusal::Server),
            (503, Refusal::Server),
        ] {
            assert_eq!(Refusal::from_response(&refused(status, "{}")), refusal);
        }
    }

    #[test]
    fn a_refusal_reads_as_one_line_whatever_its_form() {
        assert_eq!(refusal(&refused(503, "")), "503 with an empty body");
        assert_eq!(
            refusal(&refused(401, r#"{"error":"Unauthorized"}"#)),
            "401: Unauthorized"
        );
        assert_eq!(
            refusal(&refused(502, "<html>\nBad gateway")),
            "502: <html>\\nBad gateway"
        );
    }

    #[test]
    fn a_completion_and_a_chat_are_read_alike() {
        let completion =
            br#"{"model":"m","choices":[{"text":" hi","finish_reason":"length"}],"usage":{"completion_tokens":2}}"#;
        let chat = br#"{"model":"m","choices":[{"message":{"content":" hi"},"finish_reason":"length"}],"usage":{"completion_tokens":2}}"#;
        let read = Form::Completion.answer(completion).unwrap();
        assert_eq!(read, Form::Chat.answer(chat).unwrap());
        assert_eq!(
            (read.text.as_str(), read.choices, read.completion_tokens),
            (" hi", 1, Some(2))
        );
    }

    #[test]
    fn a_reasoning_model_that_only_thought_has_said_something() {
        let body = br#"{"choices":[{"message":{"content":null,"reasoning_content":"The user greets"}}]}"#;
        assert_eq!(Form::Chat.answer(body).unwrap().text, "The user greets");
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        assert!(
            Form::Completion
                .answer(b"<html>")
                .unwrap_err()
                .starts_with("the answer is not JSON")
        );
        assert_eq!(
            Form::Completion.answer(b"[1]").unwrap_err(),
            "the answer is no JSON object"
        );
        let empty = Form::Completion.answer(b"{}").unwrap();
        assert_eq!((empty.choices, empty.text.as_str()), (0, ""));
    }

    #[test]
    fn a_model_list_keeps_adapters_apart() {
        let body = br#"{"object":"list","data":[{"id":"a","root":"/models/a","parent":null,"max_model_len":4096},{"id":"lora","root":"/l","parent":"a"}]}"#;
        let list = models(body).unwrap();
        assert_eq!(list[0].max_model_len, Some(4096));
        assert_eq!(list[1].parent.as_deref(), Some("a"));
        assert!(models(b"{}").unwrap_err().contains("/v1/models answered no model list"));
    }
}
