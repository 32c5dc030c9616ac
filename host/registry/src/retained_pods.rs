//! Good pods that stay in traffic while the rest is taken out. They carry a label in the cluster, so that any machine knows them.

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::drivers::PodLabels;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_engine::workload::ServingPod;

/// Labels them. Evidence lines.
pub(crate) async fn label(labels: &dyn PodLabels, pods: &[ServingPod]) -> Result<Vec<String>, Failure> {
    labels.retain(pods).await?;
    let line = |pod: &ServingPod| format!("Pod/{}: passed the direct checks, stays in traffic", pod.name);
    Ok(pods.iter().map(line).collect())
}

/// The state of a place that lets the model in, where labelled pods are `alone` in traffic or are not.
pub(crate) fn status_where(alone: bool) -> TrafficStatus {
    if alone {
        TrafficStatus::Partial
    } else {
        TrafficStatus::Enabled
    }
}

/// Takes the labels off once no single pod is kept any more. They do no harm where that fails: whoever finds them checks those
/// pods again.
pub(crate) async fn try_unlabel(labels: &dyn PodLabels) {
    if let Err(failure) = labels.retain(&[]).await {
        tracing::debug!("pods keep a label: {failure}");
    }
}

/// Takes labels off that are left once the run is over, and says when that failed.
pub(crate) async fn post_run_notes(labels: &dyn PodLabels) -> Option<String> {
    let unlabelled = match labels.retained().await {
        Ok(pods) if pods.is_empty() => Ok(()),
        Ok(_) => labels.retain(&[]).await,
        Err(failure) => Err(failure),
    };
    let failure = unlabelled.err()?;
    Some(format!(
        "good pods may keep a label; the next run checks them again and takes it off: {failure}"
    ))
}

/// A place leads to a Service, behind which good and bad pods are one.
pub(crate) fn cannot_tell_apart(what: &str, url: &str) -> Failure {
    Failure::refused(format!(
        "{what} leads to {url}, behind which good and bad pods cannot be told apart"
    ))
    .next("narrow that Service instead: --registry service --fence bad-only")
    .next("or leave out --fence bad-only")
}

/// A place knows none of the pods that passed.
pub(crate) fn knows_none(what: &str, pods: &[ServingPod]) -> Failure {
    let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
    Failure::refused(format!(
        "{what} has none of the pods that passed the checks, so nothing would be left there"
    ))
    .because(format!("these passed: {}", names.join(", ")))
    .next("leave out --fence bad-only")
}
