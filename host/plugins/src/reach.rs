//! How checks see the world outside: the traits that whoever wires the tool together implements.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use secrecy::{ExposeSecret as _, SecretString};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::traffic::TrafficState;

use crate::egress::Endpoint;

/// A pod to send a request to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodAddress {
    /// Its name.
    pub name: String,
    /// Its UID: a pod of the same name later is another pod, and must not be asked in its place.
    pub uid: String,
    /// Container port that serves the model.
    pub port: u16,
}

/// A request that the egress policy let through.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// GET, HEAD or POST.
    pub method: Method,
    /// Absolute path, with the query.
    pub path: String,
    /// Headers; `Host` is set by whoever sends.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// For the whole exchange.
    pub timeout: Duration,
    /// Most bytes that the answer's body may have. More is [`ReachError::TooLarge`], found before it is all read.
    pub max_response: usize,
}

/// An answer, whatever its status. A redirect is an answer too and is not followed.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// From sending the request to the first byte of the answer.
    pub first_byte: Duration,
    /// From sending the request to the last byte of the body.
    pub total: Duration,
}

/// Why there is no answer. Texts name no address and no secret: checks read them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReachError {
    /// The policy does not allow the place.
    #[error("{0}")]
    Denied(String),
    /// No connection, or it broke before the answer was complete.
    #[error("{0}")]
    Unreachable(String),
    /// It took longer than it may.
    #[error("{0}")]
    Timeout(String),
    /// The answer is larger than it may be.
    #[error("{0}")]
    TooLarge(String),
}

/// HTTP to pods.
#[async_trait]
pub trait Reach: Send + Sync {
    /// Sends one request to a pod, over whatever leads there.
    ///
    /// # Errors
    /// Why there is no answer, a pod that was replaced meanwhile included.
    async fn send(&self, pod: &PodAddress, request: HttpRequest) -> Result<HttpResponse, ReachError>;
}

/// A way to the router other than its URL: through the cluster, to a pod behind its Service.
#[async_trait]
pub trait RouterReach: Send + Sync {
    /// Sends one request to the router, with its key.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ReachError>;
}

/// How checks reach the router.
#[derive(Clone)]
pub enum RouterWay {
    /// At its URL.
    Url(Endpoint),
    /// Some other way.
    Through(Arc<dyn RouterReach>),
}

/// A container, as the API server reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Ready.
    pub ready: bool,
    /// Restarts.
    pub restarts: u32,
    /// `running`, `waiting` or `terminated`.
    pub state: String,
    /// `CrashLoopBackOff`, `OOMKilled`, … or empty.
    pub reason: String,
    /// Exit code of the current or, when it runs again, of the last termination.
    pub exit_code: Option<i32>,
}

/// A pod of the release, as the API server reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Template hash.
    pub revision_hash: String,
    /// Belongs to the revision that should be serving.
    pub of_target: bool,
    /// `Running`, `Pending`, ….
    pub phase: String,
    /// The Ready condition.
    pub ready: bool,
    /// Has a deletion timestamp.
    pub terminating: bool,
    /// Its containers.
    pub containers: Vec<ContainerView>,
    /// Seconds since it was created.
    pub age_seconds: u64,
}

/// An event about one of the release's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// `Pod/llama-…`.
    pub object: String,
    /// `Unhealthy`, `BackOff`, ….
    pub reason: String,
    /// The text.
    pub message: String,
    /// How often.
    pub count: u32,
    /// Of type Warning.
    pub warning: bool,
}

/// Which run of a container a log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOf {
    /// The one that runs now.
    Current,
    /// The one before it.
    Previous,
}

/// The release's pods, events and logs, read-only. Nothing of other releases.
#[async_trait]
pub trait ClusterView: Send + Sync {
    /// The release's pods now.
    ///
    /// # Errors
    /// Why they cannot be read.
    async fn pods(&self) -> Result<Vec<PodView>, Failure>;

    /// Recent events of the release's objects.
    ///
    /// # Errors
    /// Why they cannot be read.
    async fn events(&self) -> Result<Vec<EventView>, Failure>;

    /// The last lines of a container's log. Must refuse pods that are not the release's.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn log_tail(&self, pod: &str, container: &str, which: LogOf, lines: u32) -> Result<String, Failure>;
}

/// The model's place in traffic, read-only.
#[async_trait]
pub trait TrafficView: Send + Sync {
    /// The state now.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn read(&self) -> Result<TrafficState, Failure>;
}

/// A token that is added to requests by the host. It shows itself to nobody.
#[derive(Debug, Clone)]
pub struct Bearer(SecretString);

impl Bearer {
    /// A token, with surrounding white space of a file or variable taken off. None when nothing is left.
    pub fn new(token: &str) -> Option<Self> {
        let token = token.trim();
        (!token.is_empty()).then(|| Self(token.into()))
    }

    /// The value of an `Authorization` header, or none when the token has characters that a header cannot have.
    pub(crate) fn header(&self) -> Option<http::HeaderValue> {
        let mut value = http::HeaderValue::from_str(&format!("Bearer {}", self.0.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Takes the token out of bytes that a server sent back: a check must not learn it from an echo.
    pub(crate) fn scrub(&self, bytes: Bytes) -> Bytes {
        let token = self.0.expose_secret().as_bytes();
        let found = |from: usize| bytes[from..].windows(token.len()).position(|window| window == token);
        let Some(mut at) = found(0) else { return bytes };
        let (mut out, mut from) = (Vec::with_capacity(bytes.len()), 0);
        loop {
            out.extend_from_slice(&bytes[from..from + at]);
            out.extend_from_slice(b"[redacted]");
            from += at + token.len();
            match found(from) {
                Some(next) => at = next,
                None => break,
            }
        }
        out.extend_from_slice(&bytes[from..]);
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_shows_itself_to_nobody() {
        let token = Bearer::new(" sk-test-0001\n").unwrap();
        assert_eq!(
            format!("{token:?} {:?}", token.header()),
            "Bearer(SecretBox<str>([REDACTED])) Some(Sensitive)"
        );
    }

    #[test]
    fn a_token_that_a_server_echoes_is_taken_out() {
        let token = Bearer::new("sk-1").unwrap();
        let scrub = |text: &'static str| token.scrub(Bytes::from(text));
        assert_eq!(scrub("you sent sk-1, yes sk-1"), "you sent [redacted], yes [redacted]");
        assert_eq!(scrub("you sent nothing"), "you sent nothing");
    }

    #[test]
    fn an_empty_token_is_no_token() {
        assert!(Bearer::new(" \n").is_none());
    }
}
