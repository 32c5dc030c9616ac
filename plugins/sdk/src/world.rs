//! Everything outside of a check.

use std::time::Duration;

use crate::bindings::vllm_rollback::plugin as imports;
use crate::{CallError, Event, PodStatus, RegistryState, Request, Response, Sample};

/// Calls that a check can make. [`Host`] makes the real ones; tests use a fake.
///
/// Checks take `&impl World`, never `&dyn World`: only so does a function which is not called stay out of the binary.
pub trait World {
    /// Sends a request to a named target. Needs the capability of that target.
    ///
    /// # Errors
    /// Why there was no answer; see [`CallError::fails`] for making a verdict of it.
    fn send(&self, request: Request) -> Result<Response, CallError>;

    /// Reads `/metrics` of the pod named, or of the pod under check when the name is empty. Needs `metrics`.
    ///
    /// # Errors
    /// As [`World::send`].
    fn scrape(&self, pod: &str) -> Result<Vec<Sample>, CallError>;

    /// Time on a monotonic clock with an unspecified start.
    fn now(&self) -> Duration;

    /// Pauses; counts against the deadline.
    fn sleep(&self, pause: Duration);

    /// The release's pods as they are now. Needs `cluster`.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn pods(&self) -> Result<Vec<PodStatus>, CallError>;

    /// Recent events of the release's objects. Needs `cluster`.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn events(&self) -> Result<Vec<Event>, CallError>;

    /// The last lines (at most 500) of a container's log. Needs `cluster`.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn log_tail(&self, pod: &str, container: &str, which: LogOf, lines: u32) -> Result<String, CallError>;

    /// The model's state in the traffic registry. Needs `registry`.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn registry(&self) -> Result<RegistryState, CallError>;

    /// A line for the operator's log.
    fn log(&self, level: Level, message: &str);
}

/// Something that a check can ask to be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Capability {
    /// HTTP to the pod under check.
    Pod,
    /// HTTP to the configured router.
    Router,
    /// The read-only snapshot of the release's pods, events and logs.
    Cluster,
    /// The model's state in the traffic registry, read-only.
    Registry,
    /// Parsed Prometheus samples of a pod.
    Metrics,
    /// HTTP to another host, which the grant names.
    Host,
}

impl Capability {
    /// The word in the contract.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The first version of the tool that knows it: major, minor, patch.
    pub fn since(self) -> [u32; 3] {
        self.row().1
    }

    fn row(self) -> (&'static str, [u32; 3]) {
        match self {
            Self::Pod => ("pod", [0, 1, 0]),
            Self::Router => ("router", [0, 1, 0]),
            Self::Cluster => ("cluster", [0, 1, 0]),
            Self::Registry => ("registry", [0, 1, 0]),
            Self::Metrics => ("metrics", [0, 1, 0]),
            Self::Host => ("host", [0, 1, 0]),
        }
    }
}

/// Weight of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the author of the check.
    Debug,
    /// For the curious.
    Info,
    /// Something that an operator should know.
    Warn,
    /// Something that went wrong.
    Error,
}

impl Level {
    /// The word in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Run of a container that a log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogOf {
    /// The one that runs now.
    Current,
    /// The one before it.
    Previous,
}

/// The real world: the imports of the component.
#[derive(Debug, Clone, Copy)]
pub struct Host;

impl World for Host {
    fn send(&self, request: Request) -> Result<Response, CallError> {
        imports::http::send(&request).map_err(Into::into)
    }

    fn scrape(&self, pod: &str) -> Result<Vec<Sample>, CallError> {
        imports::metrics::scrape(pod).map_err(Into::into)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(imports::clock::now())
    }

    fn sleep(&self, pause: Duration) {
        imports::clock::sleep(u32::try_from(pause.as_millis()).unwrap_or(u32::MAX));
    }

    fn pods(&self) -> Result<Vec<PodStatus>, CallError> {
        imports::cluster::pods().map_err(Into::into)
    }

    fn events(&self) -> Result<Vec<Event>, CallError> {
        imports::cluster::events().map_err(Into::into)
    }

    fn log_tail(&self, pod: &str, container: &str, which: LogOf, lines: u32) -> Result<String, CallError> {
        imports::cluster::log_tail(pod, container, which == LogOf::Previous, lines).map_err(Into::into)
    }

    fn registry(&self) -> Result<RegistryState, CallError> {
        imports::registry::read().map_err(Into::into)
    }

    fn log(&self, level: Level, message: &str) {
        imports::log::write(level.as_str(), message);
    }
}
