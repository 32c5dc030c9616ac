//! One HTTP exchange, bounded in time and size, whatever leads to the server.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

/// Request with an absolute path; whoever sends it knows the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute path, with the query.
    pub path: String,
    /// Headers; `Host` is set by whoever sends.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Limit for the whole exchange.
    pub timeout: Duration,
    /// Most bytes that the answer's body may have.
    pub max_response: usize,
}

/// Answer, whatever its status. A redirect is an answer too and is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
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
