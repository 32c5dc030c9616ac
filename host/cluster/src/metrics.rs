//! What a pod tells of itself at `/metrics`.

use std::time::Duration;

use vllm_rollback_engine::ports::checks::HttpError;
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_metrics::VllmMetrics;

use crate::pod_http::PodHttp;

/// For one page.
const READ: Duration = Duration::from_secs(3);

/// Reason why there are no metrics.
pub(crate) enum Unread {
    /// No answer.
    NoAnswer(HttpError),
    /// An answer of another kind.
    NotTold(String),
}

/// A pod's metrics of now.
pub(crate) async fn read(http: &PodHttp, pod: &ServingPod) -> Result<VllmMetrics, Unread> {
    let answer = http.get(&pod.name, pod.port, "/metrics", READ).await;
    let answer = answer.map_err(Unread::NoAnswer)?;
    let status = answer.status;
    if !(200..300).contains(&status) {
        return Err(Unread::NotTold(format!("/metrics answered {status}")));
    }
    let text = String::from_utf8_lossy(&answer.body);
    VllmMetrics::parse(&text).map_err(|error| Unread::NotTold(error.to_string()))
}
