//! What a model server or a router answers: model lists, completions and errors.

use serde_json::json;

use super::assert_is_a_line;
use crate::Response;
use crate::openai::{Form, Refusal, error_message, models, refusal};
use crate::text;

/// The body of an answer.
///
/// - A model list that is written out and read again is the same.
/// - Where there is no choice, there is no text.
/// - Whatever is said about an answer is one printable line of bounded length.
pub fn answers(data: &[u8]) {
    match models(data) {
        Ok(list) => {
            let data: Vec<_> = list
                .iter()
                .map(|one| {
                    json!({"id": one.id, "root": one.root, "parent": one.parent, "max_model_len": one.max_model_len})
                })
                .collect();
            let written = json!({ "data": data }).to_string();
            assert_eq!(models(written.as_bytes()), Ok(list));
        }
        Err(why) => assert_is_a_line(&why, 400),
    }
    for form in [Form::Completion, Form::Chat] {
        match form.answer(data) {
            Ok(answer) => assert!(answer.choices > 0 || (answer.text.is_empty() && answer.finish_reason.is_none())),
            Err(why) => assert_is_a_line(&why, 400),
        }
    }
    let message = error_message(data);
    assert_is_a_line(&message, text::LINE);
    assert_eq!(text::line(&message), message);
    for status in [200, 302, 400, 401, 402, 404, 405, 429, 500, 501, 503] {
        let response = Response {
            status,
            headers: Vec::new(),
            body: data.to_vec(),
            first_byte_ms: 1.0,
            total_ms: 1.0,
            extra: Vec::new(),
        };
        assert_is_a_line(&refusal(&response), text::LINE + 20);
        let whose = Refusal::from_response(&response);
        let by_the_server = matches!(whose, Refusal::Server);
        assert!(!by_the_server || !(400..500).contains(&status), "{status}: {whose:?}");
    }
}
