//! Requests, answers, and what to make of none.

use crate::text::{LINE, body};
use crate::{HttpError, Request, Response, Verdict};

/// Milliseconds for one exchange unless the request says otherwise.
const DEFAULT_TIMEOUT_MS: u32 = 5_000;

/// Where a request can go.
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

impl HttpError {
    /// The server did not answer, or not in time: `unreachable` and `timeout`. Anything else is about the check.
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Timeout(_))
    }

    /// What happened, in the host's words.
    pub fn detail(&self) -> &str {
        match self {
            Self::Denied(text)
            | Self::Invalid(text)
            | Self::Unreachable(text)
            | Self::Timeout(text)
            | Self::TooLarge(text)
            | Self::Budget(text) => text,
        }
    }

    /// The verdict where no answer counts against the server: `fail` for none, `error` when the check could not ask.
    ///
    /// `action` names the call: `GET /health`.
    pub fn fails(&self, action: &str) -> Verdict {
        let said = self.said(action);
        if self.is_no_answer() {
            Verdict::fail(said)
        } else {
            Verdict::error(said)
        }
    }

    /// The verdict where no answer tells nothing: `inconclusive` for none, `error` when the check could not ask.
    pub fn tells_nothing(&self, action: &str) -> Verdict {
        let said = self.said(action);
        if self.is_no_answer() {
            Verdict::inconclusive(said)
        } else {
            Verdict::error(said)
        }
    }

    /// One line: the call and why it has no answer.
    pub fn said(&self, action: &str) -> String {
        let kind = match self {
            Self::Denied(_) => "was not allowed",
            Self::Invalid(_) => "is malformed",
            Self::Unreachable(_) => "got no answer",
            Self::Timeout(_) => "timed out",
            Self::TooLarge(_) => "got an answer that is too large",
            Self::Budget(_) => "went past the check's limits",
        };
        format!("{action} {kind}: {}", self.detail())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    #[test]
    fn only_a_missing_answer_counts_against_the_server() {
        let outcome = |error: HttpError| error.fails("GET /health").outcome;
        assert_eq!(outcome(HttpError::Unreachable("refused".to_owned())), Outcome::Fail);
        assert_eq!(outcome(HttpError::Timeout("5 s".to_owned())), Outcome::Fail);
        for error in [
            HttpError::Denied,
            HttpError::Invalid,
            HttpError::TooLarge,
            HttpError::Budget,
        ] {
            assert_eq!(outcome(error(String::new())), Outcome::Error);
        }
    }

    #[test]
    fn a_denial_says_what_was_asked_and_why_not() {
        let verdict = HttpError::Denied("grant it with --grant x=host:y".to_owned()).tells_nothing("GET /secret");
        assert_eq!(verdict.outcome, Outcome::Error);
        assert_eq!(
            verdict.summary,
            "GET /secret was not allowed: grant it with --grant x=host:y"
        );
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let headers = vec![("X-Routing-Backend".to_owned(), "pod-1".to_owned())];
        let response = Response {
            status: 200,
            headers,
            body: Vec::new(),
            first_byte_ms: 1.0,
            total_ms: 1.0,
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
