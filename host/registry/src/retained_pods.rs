//! Good pods that stay in traffic while the rest is taken out. They carry a mark in the cluster, so that any machine knows them.

use std::sync::atomic::{AtomicBool, Ordering};

use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::drivers::PodLabels;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_engine::workload::ServingPod;

/// What a driver knows of the pods that it spares.
#[derive(Debug, Default)]
pub(crate) struct RetainedPods {
    /// They are marked by this run, or are known to be: a stop keeps them.
    are_marked: AtomicBool,
    /// A stop took them out, too: what still carries a mark is kept no more.
    are_out: AtomicBool,
    /// The whole model was given back, so that good pods alone in traffic are all that there are.
    is_given_back: AtomicBool,
}

impl RetainedPods {
    /// Marks them: the next stop keeps them. Evidence lines.
    pub(crate) async fn mark(&self, labels: &dyn PodLabels, pods: &[ServingPod]) -> Result<Vec<String>, Failure> {
        labels.retain(pods).await?;
        self.found();
        let line = |pod: &ServingPod| format!("Pod/{}: passed the direct checks, stays in traffic", pod.name);
        Ok(pods.iter().map(line).collect())
    }

    /// An earlier run marked them.
    pub(crate) fn found(&self) {
        self.are_marked.store(true, Ordering::Relaxed);
        self.are_out.store(false, Ordering::Relaxed);
    }

    /// A stop keeps them, whatever is in traffic now.
    pub(crate) fn are_marked(&self) -> bool {
        self.are_marked.load(Ordering::Relaxed)
    }

    /// A stop begins, from this state, at a place where marked pods are `alone` in traffic or are not. Whether it keeps them.
    pub(crate) fn begin_stop(&self, from: &TrafficStatus, alone: bool) -> bool {
        let keeps = *from != TrafficStatus::Partial && (self.are_marked() || alone);
        self.is_given_back.store(false, Ordering::Relaxed);
        self.are_out.store(!keeps, Ordering::Relaxed);
        keeps
    }

    /// Whether the stop that was begun keeps them; where none was, whether an earlier run's did.
    pub(crate) fn keeps(&self, alone: bool) -> bool {
        !self.are_out.load(Ordering::Relaxed) && (self.are_marked() || alone)
    }

    /// The whole model was given back.
    pub(crate) fn gave_back(&self) {
        self.is_given_back.store(true, Ordering::Relaxed);
        self.are_out.store(false, Ordering::Relaxed);
    }

    /// The state of a place that lets the model in, where marked pods are `alone` in traffic or are not.
    pub(crate) fn status_where(&self, alone: bool) -> TrafficStatus {
        let is_otherwise = self.is_given_back.load(Ordering::Relaxed) || self.are_out.load(Ordering::Relaxed);
        if alone && !is_otherwise {
            TrafficStatus::Partial
        } else {
            TrafficStatus::Enabled
        }
    }

    /// Takes the marks away.
    pub(crate) async fn forget(&self, labels: &dyn PodLabels) -> Result<(), Failure> {
        self.are_marked.store(false, Ordering::Relaxed);
        labels.retain(&[]).await
    }

    /// Takes the marks away once nothing is spared any more. They do no harm where that fails: whoever finds them checks those
    /// pods again.
    pub(crate) async fn try_forget(&self, labels: &dyn PodLabels) {
        if let Err(failure) = self.forget(labels).await {
            tracing::debug!("pods keep a label: {failure}");
        }
    }

    /// Takes the marks away once the run is over, and says when it could not.
    pub(crate) async fn post_run_notes(&self, labels: &dyn PodLabels) -> Option<String> {
        if !self.are_marked() && !self.is_given_back.load(Ordering::Relaxed) {
            return None;
        }
        let failure = self.forget(labels).await.err()?;
        Some(format!(
            "the good pods keep a label; the next run checks them again and takes it off: {failure}"
        ))
    }
}

/// A place leads to a Service, behind which good and bad pods are one.
pub(crate) fn cannot_tell_apart(what: &str, url: &str) -> Failure {
    Failure::new(
        FailureKind::Refused,
        format!("{what} leads to {url}, behind which good and bad pods cannot be told apart"),
    )
    .next("narrow that Service instead: --registry service --fence bad-only")
    .next("or leave out --fence bad-only")
}

/// A place knows none of the pods that passed.
pub(crate) fn knows_none(what: &str, pods: &[ServingPod]) -> Failure {
    let names: Vec<&str> = pods.iter().map(|pod| pod.name.as_str()).collect();
    Failure::new(
        FailureKind::Refused,
        format!("{what} has none of the pods that passed the checks, so nothing would be left there"),
    )
    .because(format!("these passed: {}", names.join(", ")))
    .next("leave out --fence bad-only")
}
