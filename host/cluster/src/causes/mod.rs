//! Why pods are not ready: pure predicates over objects and events, one file for each sort of cause.

mod crash;
mod create;
mod image;
mod probe;
mod rollout;
mod schedule;

use std::time::Duration;

use serde_json::Value;
use vllm_rollback_engine::workload::{Cause, CauseReason};

pub(crate) use rollout::of_workload;

use crate::pods;

/// A cause as seen now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) cause: Cause,
    /// It does not heal by waiting once it has lasted so long; none: it may always heal.
    pub(crate) patience: Option<Duration>,
    /// The container whose log tells more, and whether its previous run does.
    pub(crate) log_of: Option<LogOf>,
}

/// Where to read a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogOf {
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) previous: bool,
}

/// It does not heal: no patience.
const NEVER_HEALS: Option<Duration> = Some(Duration::ZERO);
/// Something else of the release may be about to bring what is missing.
const SOON: Option<Duration> = Some(Duration::from_secs(5));
/// It may heal by itself.
const MAY_HEAL: Option<Duration> = None;

impl Seen {
    fn new(reason: CauseReason, object: String, message: String, patience: Option<Duration>) -> Self {
        Self {
            cause: Cause {
                reason,
                object,
                message,
                evidence: Vec::new(),
                terminal: false,
                next: Vec::new(),
            },
            patience,
            log_of: None,
        }
    }

    fn next(mut self, step: impl Into<String>) -> Self {
        self.cause.next.push(step.into());
        self
    }

    fn evidence(mut self, line: impl Into<String>) -> Self {
        self.cause.evidence.push(line.into());
        self
    }
}

/// All causes of one pod that is not ready. `events` are those about this pod; `freeing` says that pods of the release are
/// terminating, so that room may come.
pub(crate) fn of_pod(pod: &Value, events: &[&Value], freeing: bool) -> Vec<Seen> {
    if pods::is_ready(pod) || pods::is_terminating(pod) {
        return Vec::new();
    }
    let mut seen = Vec::new();
    seen.extend(schedule::unschedulable(pod, events, freeing));
    seen.extend(create::evicted(pod));
    for status in pods::container_statuses(pod) {
        let found = image::pull(pod, status, events)
            .or_else(|| create::container(pod, status))
            .or_else(|| crash::out_of_memory(pod, status))
            .or_else(|| probe::killed(pod, status, events))
            .or_else(|| crash::crash(pod, status));
        seen.extend(found);
    }
    seen.extend(create::mount(pod, events));
    if seen.is_empty() {
        seen.extend(probe::failing(pod, events));
    }
    seen
}

/// `Pod/llama-… container vllm`.
fn container_label(pod: &Value, status: &Value) -> String {
    let container = status["name"].as_str().unwrap_or("?");
    format!("Pod/{} container {container}", pods::name(pod))
}

fn pod_label(pod: &Value) -> String {
    format!("Pod/{}", pods::name(pod))
}

fn namespace(pod: &Value) -> &str {
    pod["metadata"]["namespace"].as_str().unwrap_or("default")
}

fn describe(pod: &Value) -> String {
    format!("kubectl describe pod {} -n {}", pods::name(pod), namespace(pod))
}

/// The container's part of the spec.
fn spec_of<'a>(pod: &'a Value, container: &Value) -> Option<&'a Value> {
    ["containers", "initContainers"]
        .into_iter()
        .flat_map(|key| pod["spec"][key].as_array().into_iter().flatten())
        .find(|spec| spec["name"] == *container)
}

/// One line of bounded length.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 400 {
        line.chars().take(400).chain(['…']).collect()
    } else {
        line
    }
}
