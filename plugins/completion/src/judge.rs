//! What an answer has to look like.

use vllm_rollback_plugin::openai::{Answer, Model};
use vllm_rollback_plugin::text::excerpt;

use crate::repetition;

/// The answer is one of the expected model and complete in form. The words are judged by [`words`].
pub(crate) fn shape(answer: &Answer, asked: &Model, served: &[Model]) -> Result<(), String> {
    match &answer.model {
        None => return Err("the answer does not say which model gave it".to_owned()),
        Some(name) if !is_same(name, asked, served) => {
            return Err(format!("{} was asked, {} answered", asked.id, excerpt(name, 60)));
        }
        Some(_) => {}
    }
    if answer.choices == 0 {
        return Err("the answer has no choices".to_owned());
    }
    match answer.finish_reason.as_deref() {
        Some("stop" | "length") => {}
        Some(other) => return Err(format!("the answer ended with finish reason {}", excerpt(other, 40))),
        None => return Err("the answer has no finish reason".to_owned()),
    }
    match answer.completion_tokens {
        Some(0) if !ended_at_once(answer) => Err("the server says that it generated 0 tokens".to_owned()),
        Some(_) => Ok(()),
        None => Err("the answer does not say how many tokens were generated".to_owned()),
    }
}

/// A server with several names for one model answers with the first of them; the weights tell that it is the same.
fn is_same(name: &str, asked: &Model, served: &[Model]) -> bool {
    let alias = |model: &&Model| model.id == name && model.root.is_some() && model.root == asked.root;
    name == asked.id || served.iter().any(|model| alias(&model))
}

/// Nothing was said and the model chose to stop there.
pub(crate) fn ended_at_once(answer: &Answer) -> bool {
    answer.text.trim().is_empty() && answer.finish_reason.as_deref() == Some("stop")
}

/// The text is there and is text.
pub(crate) fn words(answer: &Answer) -> Result<(), String> {
    let text = answer.text.trim();
    if text.is_empty() {
        return Err("the answer has no text".to_owned());
    }
    if answer.completion_tokens == Some(0) {
        return Err("the server says that it generated 0 tokens".to_owned());
    }
    match repetition::degenerate(text) {
        Some(why) => Err(format!("the answer is {why}: {:?}", excerpt(text, 60))),
        None => Ok(()),
    }
}
