//! Stand-ins for the types that the SDK generates from `wit/`, with the fields that `openai.rs` names.

use serde_json::Value;

pub(crate) struct Request;

impl Request {
    pub(crate) fn post_json(_: Target<'_>, _: &str, _: &Value) -> Self {
        Self
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Target<'a>(#[expect(dead_code, reason = "it only has the lifetime")] &'a str);

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}
