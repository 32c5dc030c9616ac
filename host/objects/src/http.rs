//! One HTTP exchange, bounded in time and size, whatever leads to the server.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::Value;

/// Bytes of an answer's body that are read where nothing else is said.
pub const MAX_RESPONSE: usize = 64 * 1024;

/// Request with an absolute path; whoever sends it knows the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute path, with the query.
    pub path: String,
    /// Headers; `Host` where it is not the server's own name.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Limit for the whole exchange.
    pub timeout: Duration,
    /// Most bytes that the answer's body may have.
    pub max_response: usize,
}

/// Answer, whatever its status. A redirect is an answer too and is not followed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// From sending the request to the first byte of the answer.
    pub first_byte: Duration,
    /// From sending the request to the last byte of the body.
    pub total: Duration,
}

impl Request {
    /// GET of this path.
    pub fn get(path: impl Into<String>, timeout: Duration) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout,
            max_response: MAX_RESPONSE,
        }
    }

    /// POST to this path, without a body.
    pub fn post(path: impl Into<String>, timeout: Duration) -> Self {
        Self {
            method: Method::POST,
            ..Self::get(path, timeout)
        }
    }

    /// POST of this JSON.
    pub fn post_json(path: impl Into<String>, body: &Value, timeout: Duration) -> Self {
        let json = HeaderValue::from_static("application/json");
        Self {
            headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
            body: Bytes::from(body.to_string()),
            ..Self::post(path, timeout)
        }
    }
}

impl Response {
    /// Says whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Value of a header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Body as text.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `HTTP 400 Worker … already exists`: status and the begin of the body, for messages.
    pub fn line(&self) -> String {
        let text: String = self.text().chars().filter(|c| !c.is_control()).take(200).collect();
        format!("HTTP {} {}", self.status, text.trim()).trim_end().to_owned()
    }
}

/// `10.0.0.7` of `http://10.0.0.7:8000`; an IPv6 address without its brackets.
pub fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next()?;
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, _)| host),
        None => Some(authority.rsplit_once(':').map_or(authority, |(host, _)| host)),
    }
    .filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_has_what_its_constructor_is_told_and_nothing_else() {
        let second = Duration::from_secs(1);
        let get = Request {
            method: Method::GET,
            path: "/health".into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: second,
            max_response: 65_536,
        };
        let post = Request {
            method: Method::POST,
            ..get.clone()
        };
        let mut post_json = Request {
            body: Bytes::from_static(b"{\"a\":1}"),
            ..post.clone()
        };
        post_json
            .headers
            .insert("content-type", HeaderValue::from_static("application/json"));
        assert_eq!(Request::get("/health", second), get);
        assert_eq!(Request::post("/health", second), post);
        assert_eq!(Request::post_json("/health", &json!({"a": 1}), second), post_json);
    }

    fn response(status: u16, body: &'static str) -> Response {
        Response {
            status,
            body: Bytes::from_static(body.as_bytes()),
            ..Response::default()
        }
    }

    #[test]
    fn only_a_status_from_200_to_299_is_success() {
        let successes: Vec<_> = [199, 200, 299, 300, 404]
            .map(|status| response(status, "").is_success())
            .into();
        assert_eq!(successes, [false, true, true, false, false]);
    }

    #[test]
    fn an_answer_is_read_as_text_as_json_and_as_one_line() {
        let mut answer = response(400, "{\"a\":\n 1} ");
        assert_eq!(answer.text(), "{\"a\":\n 1} ");
        assert_eq!(answer.json(), json!({"a": 1}));
        assert_eq!(answer.line(), "HTTP 400 {\"a\": 1}");
        assert_eq!(response(200, "no JSON").json(), Value::Null);
        assert_eq!(response(204, "").line(), "HTTP 204");
        answer.headers.insert("x-a", HeaderValue::from_static("b"));
        assert_eq!((answer.header("X-A"), answer.header("x-b")), (Some("b"), None));
    }

    #[test]
    fn the_host_of_a_url_stands_without_scheme_port_and_brackets() {
        for (url, name) in [
            ("http://10.0.0.7:8000", Some("10.0.0.7")),
            ("http://[fd00::7]:8000/v1", Some("fd00::7")),
            ("llama.ml:8000/v1?a=b:c", Some("llama.ml")),
            ("http://llama?a=b", Some("llama")),
            ("http:///v1", None),
            ("http://[fd00", None),
        ] {
            assert_eq!(host(url), name, "{url}");
        }
    }
}
