//! Requests and answers.

use crate::text::{LINE, body};
use crate::{Request, Response};

/// Milliseconds for one exchange unless the request says otherwise.
const DEFAULT_TIMEOUT_MS: u32 = 5_000;

/// Target of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// The pod under check.
    Pod,
    /// The configured router.
    Router,
    /// Another host, by its name in the grant.
    Host(&'a str),
}

impl Target<'_> {
    fn name(self) -> String {
        match self {
            Self::Pod => "pod".to_owned(),
            Self::Router => "router".to_owned(),
            Self::Host(name) => format!("host:{name}"),
        }
    }
}

impl Request {
    /// A GET of an absolute path; 5 seconds for the whole exchange.
    pub fn get(target: Target<'_>, path: &str) -> Self {
        Self {
            target: target.name(),
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: DEFAULT_TIMEOUT_MS,
            options: Vec::new(),
        }
    }

    /// A POST of a JSON document to an absolute path; 5 seconds for the whole exchange.
    pub fn post_json(target: Target<'_>, path: &str, document: &serde_json::Value) -> Self {
        Self {
            method: "POST".to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: document.to_string().into_bytes(),
            ..Self::get(target, path)
        }
    }

    /// Milliseconds for the whole exchange; capped by the check's own deadline.
    #[must_use]
    pub fn timeout_ms(self, milliseconds: u32) -> Self {
        Self {
            timeout_ms: milliseconds,
            ..self
        }
    }
}

impl Response {
    /// The start of the body as one printable line.
    pub fn text(&self) -> String {
        body(&self.body, LINE)
    }

    /// The first value of a header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_whatever_their_case() {
        let headers = vec![("X-Routing-Backend".to_owned(), "pod-1".to_owned())];
        let response = Response {
            status: 200,
            headers,
            body: Vec::new(),
            first_byte_ms: 1.0,
            total_ms: 1.0,
            extra: Vec::new(),
        };
        assert_eq!(response.header("x-routing-backend"), Some("pod-1"));
        assert_eq!(response.header("x-other"), None);
    }

    #[test]
    fn a_posted_document_is_json_with_its_type() {
        let request = Request::post_json(Target::Host("hooks"), "/x", &serde_json::json!({"a": 1})).timeout_ms(7);
        assert_eq!(
            (request.target.as_str(), request.method.as_str(), request.timeout_ms),
            ("host:hooks", "POST", 7)
        );
        assert_eq!(request.body, br#"{"a":1}"#);
        assert_eq!(
            request.headers,
            [("content-type".to_owned(), "application/json".to_owned())]
        );
    }
}
