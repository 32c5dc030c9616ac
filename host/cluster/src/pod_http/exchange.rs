//! One exchange with a pod: what it may take, what it took, and why it failed.

use std::time::Duration;

use bytes::Bytes;
use http::Response;

/// Time that the parts of one exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Until the connection to the pod stands.
    pub connect: Duration,
    /// From there to the answer's head.
    pub first_byte: Duration,
    /// All of it.
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            total: Duration::from_secs(60),
        }
    }
}

/// Way that an exchange travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// `pods/portforward`.
    PortForward,
    /// `pods/proxy`.
    Proxy,
}

/// Times that an exchange took.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// Until the connection stood; zero when one was reused or the API server made it.
    pub connect: Duration,
    /// From sending the request to the answer's head.
    pub first_byte: Duration,
    /// From sending the request to the answer's last byte.
    pub total: Duration,
    /// Way that it travelled.
    pub transport: Transport,
}

/// A pod's answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Head and whole body.
    pub response: Response<Bytes>,
    /// Time that it took.
    pub timings: Timings,
}

/// Reason why a pod gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PodHttpError {
    /// Neither way is allowed to this user.
    #[error("not allowed: {0}")]
    Denied(String),
    /// Nothing listens, the pod is gone, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
    /// A deadline passed.
    #[error("no {phase} within {:.1} s", .after.as_secs_f64())]
    Timeout {
        /// Part that was waited for: `connection`, `answer`, `end of the answer`.
        phase: &'static str,
        /// Time that was waited.
        after: Duration,
    },
    /// The answer is larger than allowed.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}
