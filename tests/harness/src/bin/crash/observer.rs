//! An observer that knows nothing of the tool: it looks at the registry, the endpoints, the router and Helm's records all
//! the time, and objects when a model is let in that nothing proved, when a client that was kept out gets an answer, or
//! when Helm rolls back twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use vllm_rollback_harness::api::Api;
use vllm_rollback_harness::http;

use crate::door::Door;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(15);

/// Looks until it is asked what it saw.
pub(crate) struct Observer {
    stop: Arc<AtomicBool>,
    watching: JoinHandle<Vec<String>>,
}

impl Observer {
    /// Of one release behind its door.
    pub(crate) fn start(api: Api, namespace: &str, release: &str, door: Door) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let looks = Looks {
            api,
            door,
            records: format!("/api/v1/namespaces/{namespace}/secrets?labelSelector=owner%3Dhelm%2Cname%3D{release}"),
        };
        let stopped = Arc::clone(&stop);
        let watching = std::thread::spawn(move || looks.until(&stopped));
        Self { stop, watching }
    }

    /// What it objects to, Helm's history at the end included.
    pub(crate) fn violations(self, history: &[(u64, String, String)]) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.watching.join();
        let mut violations = seen.unwrap_or_else(|_| vec!["the observer broke".to_owned()]);
        violations.extend(rolled_back_twice(history));
        if history.iter().map(|(number, ..)| *number).ne(1..=history.len() as u64) {
            violations.push(format!("a revision is lost: {history:?}"));
        }
        violations
    }
}

/// Each revision is gone back to once: the target, and before it, where Helm lost sight of what is live, the bad one.
fn rolled_back_twice(history: &[(u64, String, String)]) -> Vec<String> {
    let finished = |to: &str| {
        let returns = history.iter().filter(|(_, status, description)| {
            (status == "deployed" || status == "superseded") && description.starts_with(&format!("Rollback to {to}"))
        });
        returns.count()
    };
    ["1", "2"]
        .into_iter()
        .filter(|to| finished(to) > 1)
        .map(|to| format!("rolled back to {to} twice: {history:?}"))
        .collect()
}

struct Looks {
    api: Api,
    door: Door,
    records: String,
}

impl Looks {
    fn until(&self, stop: &AtomicBool) -> Vec<String> {
        let mut violations = Vec::new();
        let mut was_closed = false;
        // Since it was closed, a client was seen to get no answer: from then on none may get one.
        let mut is_shut = false;
        while !stop.load(Ordering::SeqCst) {
            let answer = self.door.answer();
            if let Some(is_closed) = self.door.is_closed() {
                if was_closed && !is_closed {
                    violations.extend(self.let_in(answer.is_some()));
                }
                // The answer came before this look, so it counts only where the door was closed before it too.
                if was_closed && is_closed && is_shut {
                    violations.extend(
                        answer
                            .as_ref()
                            .map(|text| format!("a client that is kept out got {text:?}")),
                    );
                }
                is_shut = is_closed && (is_shut || (was_closed && answer.is_none()));
                was_closed = is_closed;
            }
            std::thread::sleep(PERIOD);
        }
        violations
    }

    /// The door was opened: the newest revision must be a finished rollback, and each pod that clients now reach must have
    /// answered the two requests of the completion check, and the one of this observer when it got an answer.
    fn let_in(&self, has_asked: bool) -> Vec<String> {
        let mut violations = Vec::new();
        match self.revisions().last() {
            Some((_, status)) if status == "deployed" => {}
            other => violations.push(format!("let in while the newest revision is {other:?}")),
        }
        for address in self.door.endpoints() {
            let answered = answered(&format!("http://{address}/metrics"));
            if answered.is_none_or(|count| count < 2.0 + f64::from(u8::from(has_asked))) {
                violations.push(format!(
                    "let in while the pod at {address} had answered {answered:?} requests"
                ));
            }
        }
        violations
    }

    /// `(revision, status)`, oldest first.
    fn revisions(&self) -> Vec<(u64, String)> {
        let list = self.api.get(&self.records).unwrap_or_default();
        let label = |record: &serde_json::Value, key: &str| {
            record["metadata"]["labels"][key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let mut revisions: Vec<(u64, String)> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|record| (label(record, "version").parse().unwrap_or(0), label(record, "status")))
            .collect();
        revisions.sort_unstable();
        revisions
    }
}

/// Requests that a server answered, by its own counter.
fn answered(url: &str) -> Option<f64> {
    let text = http::block_on(async {
        let client = http::client(Duration::from_secs(5)).build().ok()?;
        client.get(url).send().await.ok()?.text().await.ok()
    })?;
    let counts = text
        .lines()
        .filter(|line| line.starts_with("vllm:request_success_total"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    Some(counts.sum())
}
