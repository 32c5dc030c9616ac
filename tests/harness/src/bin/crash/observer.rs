//! An observer that knows nothing of the tool: it looks at the Service, its pods and Helm's records all the time, and
//! objects when a model is let in that nothing proved, or when Helm rolls back twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use vllm_rollback_harness::api::Api;
use vllm_rollback_harness::http;

/// The key that keeps a Service's gate closed.
const GATE: &str = "rollback.vllm/gate";
/// Between two looks.
const PERIOD: Duration = Duration::from_millis(15);

/// Looks until it is asked what it saw.
pub(crate) struct Observer {
    stop: Arc<AtomicBool>,
    watching: JoinHandle<Vec<String>>,
}

impl Observer {
    /// Of one release's Service.
    pub(crate) fn start(api: Api, namespace: &str, release: &str, service: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let looks = Looks {
            api,
            service: format!("/api/v1/namespaces/{namespace}/services/{service}"),
            slices: format!(
                "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D{service}"
            ),
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
    service: String,
    slices: String,
    records: String,
}

impl Looks {
    fn until(&self, stop: &AtomicBool) -> Vec<String> {
        let mut violations = Vec::new();
        let mut was_closed = false;
        while !stop.load(Ordering::SeqCst) {
            if let Some(service) = self.api.get(&self.service) {
                let is_closed = service["spec"]["selector"][GATE].is_string();
                if was_closed && !is_closed {
                    violations.extend(self.let_in());
                }
                was_closed = is_closed;
            }
            std::thread::sleep(PERIOD);
        }
        violations
    }

    /// The gate was opened: the newest revision must be a finished rollback, and each pod that it lets clients reach must
    /// have answered the two requests of the completion check.
    fn let_in(&self) -> Vec<String> {
        let mut violations = Vec::new();
        match self.revisions().last() {
            Some((_, status)) if status == "deployed" => {}
            other => violations.push(format!("let in while the newest revision is {other:?}")),
        }
        let slices = self.api.get(&self.slices).unwrap_or_default();
        let endpoints = slices["items"].as_array().into_iter().flatten().flat_map(|slice| {
            let port = slice["ports"][0]["port"].as_u64().unwrap_or(8000);
            let endpoints = slice["endpoints"].as_array().cloned().unwrap_or_default();
            endpoints.into_iter().map(move |endpoint| (endpoint, port))
        });
        for (endpoint, port) in endpoints {
            let address = endpoint["addresses"][0]
                .as_str()
                .unwrap_or_default()
                .replacen("10.244.", "127.244.", 1);
            let answered = answered(&format!("http://{address}:{port}/metrics"));
            if answered.is_none_or(|count| count < 2.0) {
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
        let label = |record: &Value, key: &str| {
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
