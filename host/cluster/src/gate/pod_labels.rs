//! A label on pods that a gate's selector can ask for.

use serde_json::{Value, json};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::release::ReleaseRecord;
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_objects::pod::RETAINED_LABEL;

use super::GATE_KEY;
use crate::api::Resource;
use crate::connect::Cluster;
use crate::pods;
use crate::view;

impl Cluster {
    /// Gives these pods the label, and takes it from all other pods of the record's serving workloads. Each is written only while
    /// it is still the same pod.
    ///
    /// # Errors
    /// `Invalid` when the manifest cannot be read; `NotFound` or `Conflict` when one of the pods is gone; `Forbidden`,
    /// `Unreachable`.
    pub(crate) async fn retain_pods(&self, record: &ReleaseRecord, retained: &[ServingPod]) -> Result<(), Failure> {
        let writes = retained
            .iter()
            .map(|pod| self.label_pod(&pod.name, &pod.uid, json!(RETAINED_LABEL)));
        futures::future::try_join_all(writes).await?;
        for pod in self.release_pods(record).await? {
            let (name, uid) = (pods::name(&pod), pods::uid(&pod));
            let is_retained = retained.iter().any(|retained| retained.uid == uid);
            if is_retained || pod["metadata"]["labels"].get(GATE_KEY).is_none() || pods::is_terminating(&pod) {
                continue;
            }
            match self.label_pod(name, uid, Value::Null).await {
                // It went meanwhile, and its label with it.
                Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Conflict) => {}
                written => written?,
            }
        }
        Ok(())
    }

    /// The pods of the record's serving workloads that carry the label: name and UID.
    ///
    /// # Errors
    /// `Invalid` when the manifest cannot be read; `Forbidden`, `Unreachable`.
    pub(crate) async fn retained_pods(&self, record: &ReleaseRecord) -> Result<Vec<(String, String)>, Failure> {
        let found = self.release_pods(record).await?;
        let labelled = found
            .iter()
            .filter(|pod| pod["metadata"]["labels"][GATE_KEY] == RETAINED_LABEL);
        Ok(labelled
            .map(|pod| (pods::name(pod).to_owned(), pods::uid(pod).to_owned()))
            .collect())
    }

    async fn release_pods(&self, record: &ReleaseRecord) -> Result<Vec<Value>, Failure> {
        let manifest = record.objects()?;
        let live = view::read_all(self, &manifest.serving_workloads()).await?;
        Ok(live.into_iter().flat_map(|live| live.pods).collect())
    }

    async fn label_pod(&self, name: &str, uid: &str, value: Value) -> Result<(), Failure> {
        let path = Resource::core("pods").object(self.namespace(), name);
        // Another pod of this name has another UID, which the API server refuses to write.
        let patch = json!({ "metadata": { "uid": uid, "labels": { GATE_KEY: value } } });
        let written = self.api().patch(&path, &patch).await;
        written
            .map(drop)
            .map_err(|e| e.into_failure(format!("cannot label Pod/{name}")))
    }
}
