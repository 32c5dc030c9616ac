//! Everything outside of a check.

use std::time::Duration;

use crate::bindings::vllm_rollback::plugin as imports;
use crate::{Event, HttpError, Level, PodStatus, RegistryState, Request, Response, Sample};

/// What a check can ask and do. [`Host`] asks the real thing; tests use a fake.
///
/// Checks take `&impl World`, never `&dyn World`: only so does a function which is not called stay out of the binary.
pub trait World {
    /// Sends a request to a named target. Needs the capability of that target.
    ///
    /// # Errors
    /// Why there was no answer; see [`HttpError::fails`] for making a verdict of it.
    fn send(&self, request: Request) -> Result<Response, HttpError>;

    /// Reads `/metrics` of the pod named, or of the pod under check when the name is empty. Needs `metrics`.
    ///
    /// # Errors
    /// As [`World::send`].
    fn scrape(&self, pod: &str) -> Result<Vec<Sample>, HttpError>;

    /// Time on a monotonic clock with an unspecified start.
    fn now(&self) -> Duration;

    /// Pauses; counts against the deadline.
    fn sleep(&self, pause: Duration);

    /// The release's pods as they are now. Needs `cluster`.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn pods(&self) -> Result<Vec<PodStatus>, String>;

    /// Recent events of the release's objects. Needs `cluster`.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn events(&self) -> Result<Vec<Event>, String>;

    /// The last lines (at most 500) of a container's log. Needs `cluster`.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn log_tail(&self, pod: &str, container: &str, which: LogOf, lines: u32) -> Result<String, String>;

    /// The model's state in the traffic registry. Needs `registry`.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn registry(&self) -> Result<RegistryState, String>;

    /// A line for the operator's log.
    fn log(&self, level: Level, message: &str);
}

/// Which run of a container a log is of.
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
    fn send(&self, request: Request) -> Result<Response, HttpError> {
        imports::http::send(&request)
    }

    fn scrape(&self, pod: &str) -> Result<Vec<Sample>, HttpError> {
        imports::metrics::scrape(pod)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(imports::clock::now())
    }

    fn sleep(&self, pause: Duration) {
        imports::clock::sleep(u32::try_from(pause.as_millis()).unwrap_or(u32::MAX));
    }

    fn pods(&self) -> Result<Vec<PodStatus>, String> {
        imports::cluster::pods()
    }

    fn events(&self) -> Result<Vec<Event>, String> {
        imports::cluster::events()
    }

    fn log_tail(&self, pod: &str, container: &str, which: LogOf, lines: u32) -> Result<String, String> {
        imports::cluster::log_tail(pod, container, which == LogOf::Previous, lines)
    }

    fn registry(&self) -> Result<RegistryState, String> {
        imports::registry::read()
    }

    fn log(&self, level: Level, message: &str) {
        imports::log::write(level, message);
    }
}
