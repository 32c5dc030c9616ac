//! What a pod tells of itself at `/metrics`.

use std::time::Duration;

use vllm_rollback_criteria::VllmMetrics;
use vllm_rollback_engine::workload::ServingPod;

use crate::pod_http::{Deadlines, PodHttp, PodHttpError};

const READ: Deadlines = Deadlines {
    connect: Duration::from_secs(2),
    first_byte: Duration::from_secs(2),
    total: Duration::from_secs(4),
};

/// Reason why there are no metrics.
pub(crate) enum Unread {
    /// No answer.
    NoAnswer(PodHttpError),
    /// An answer of another kind.
    NotTold(String),
}

/// A pod's metrics of now.
pub(crate) async fn read(http: &PodHttp, pod: &ServingPod) -> Result<VllmMetrics, Unread> {
    let answer = http.get(&pod.name, pod.port, "/metrics", READ).await;
    let answer = answer.map_err(Unread::NoAnswer)?.response;
    let status = answer.status();
    if !status.is_success() {
        return Err(Unread::NotTold(format!("/metrics answered {status}")));
    }
    let text = String::from_utf8_lossy(answer.body());
    VllmMetrics::parse(&text).map_err(|error| Unread::NotTold(error.to_string()))
}
