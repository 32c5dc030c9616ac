//! What all requests share: arguments, faults, metrics and the phase of life.

use crate::answer::hash;
use crate::args::{Args, VLLM_VERSION};
use crate::faults::Faults;
use crate::metrics::Metrics;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Semaphore, watch};

/// Where a server that listens is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Answers.
    Serving,
    /// The engine died: /health says 503, completions fail.
    EngineDead,
    /// SIGTERM with a shutdown timeout: open requests finish, new completions fail, /health says 200.
    Draining,
    /// SIGTERM without one, or the timeout passed: open requests are cut off.
    Aborting,
}

/// One server.
#[derive(Debug)]
pub struct Server {
    /// Its command line.
    pub args: Args,
    /// What goes wrong.
    pub faults: Faults,
    /// Names that it answers to; the first is its own.
    pub names: Vec<String>,
    /// What /metrics says.
    pub metrics: Metrics,
    /// Where it is in its life.
    pub phase: watch::Sender<Phase>,
    /// Places for requests that are worked on at the same time.
    pub slots: Semaphore,
    /// Start, in seconds of Unix time.
    pub created: i64,
    requests: AtomicU64,
    completions: AtomicU64,
}

impl Server {
    /// A server that has not begun to listen.
    pub fn new(args: Args, faults: Faults) -> Self {
        let names = faults
            .serve_model
            .clone()
            .map_or_else(|| args.served_names(), |name| vec![name]);
        Self {
            metrics: Metrics::new(&names[0]),
            phase: watch::Sender::new(Phase::Serving),
            slots: Semaphore::new(args.max_num_seqs.clamp(1, Semaphore::MAX_PERMITS)),
            created: jiff::Timestamp::now().as_second(),
            requests: AtomicU64::new(0),
            completions: AtomicU64::new(0),
            names,
            args,
            faults,
        }
    }

    /// Depends on the configuration only: two sets of weights have the same one.
    pub fn fingerprint(&self) -> String {
        let limit = self.args.max_model_len.to_string();
        let configuration = hash(&[&self.args.model, &self.names.join(" "), &limit]);
        format!("vllm-{VLLM_VERSION}-{:08x}", configuration >> 32)
    }

    /// An id that no other request of this process has.
    pub fn request_id(&self) -> String {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}{:08x}{count:016x}", std::process::id(), self.created)
    }

    /// Whether `name` is served. An empty one is: vLLM accepts a request that names no model.
    pub fn serves(&self, name: &str) -> bool {
        name.is_empty() || self.names.iter().any(|served| served == name)
    }

    /// Whether the next completion is one of those that fail: of the first `n`, `n` times the share have, rounded down.
    pub fn next_fails(&self) -> bool {
        let before = self.completions.fetch_add(1, Ordering::Relaxed);
        let failed = |count: u64| (count as f64 * self.faults.error_share).floor();
        failed(before + 1) > failed(before)
    }

    /// Resolves when open requests are to be cut off.
    pub async fn aborted(&self) {
        // The sender is a field of self, so the wait cannot fail.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Aborting).await;
    }
}
