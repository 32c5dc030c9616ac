//! Stand-ins for the types that the SDK generates from `wit/`, with the fields that `openai.rs` and its tests name.

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
    #[allow(dead_code)]
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    #[allow(dead_code)]
    pub(crate) first_byte_ms: f64,
    #[allow(dead_code)]
    pub(crate) total_ms: f64,
    #[allow(dead_code)]
    pub(crate) extra: Vec<(String, String)>,
}
