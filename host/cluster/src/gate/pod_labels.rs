//! A label on pods that a gate's selector can ask for.

use async_trait::async_trait;
use serde_json::{Value, json};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::drivers::PodLabels;
use vllm_rollback_engine::release::ReleaseRecord;
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_objects::pod::RETAINED_LABEL;

use crate::api::Resource;
use crate::connect::Cluster;
use crate::pods;
use crate::release::CurrentRelease;
use crate::services::GATE_KEY;
use crate::view;

#[async_trait]
impl PodLabels for CurrentRelease {
    /// Gives these pods the label, and takes it from all other pods of the newest revision's serving workloads. Each is
    /// written only while it is still the same pod.
    async fn retain(&self, retained: &[ServingPod]) -> Result<(), Failure> {
        let record = self.current.record().await?;
        let writes = retained
            .iter()
            .map(|pod| label_pod(&self.cluster, &pod.name, &pod.uid, json!(RETAINED_LABEL)));
        futures::future::try_join_all(writes).await?;
        for pod in release_pods(&self.cluster, &record).await? {
            let (name, uid) = (pods::name(&pod), pods::uid(&pod));
            let is_retained = retained.iter().any(|retained| retained.uid == uid);
            if is_retained || pod["metadata"]["labels"].get(GATE_KEY).is_none() || pods::is_terminating(&pod) {
                continue;
            }
            match label_pod(&self.cluster, name, uid, Value::Null).await {
                // It went meanwhile, and its label with it.
                Err(failure) if matches!(failure.kind, FailureKind::NotFound | FailureKind::Conflict) => {}
                written => written?,
            }
        }
        Ok(())
    }

    async fn retained(&self) -> Result<Vec<(String, String)>, Failure> {
        let found = release_pods(&self.cluster, &*self.current.record().await?).await?;
        let labelled = found
            .iter()
            .filter(|pod| pod["metadata"]["labels"][GATE_KEY] == RETAINED_LABEL);
        Ok(labelled
            .map(|pod| (pods::name(pod).to_owned(), pods::uid(pod).to_owned()))
            .collect())
    }
}

async fn release_pods(cluster: &Cluster, record: &ReleaseRecord) -> Result<Vec<Value>, Failure> {
    let manifest = record.objects()?;
    let live = view::read_all(cluster, &manifest.serving_workloads()).await?;
    Ok(live.into_iter().flat_map(|live| live.pods).collect())
}

async fn label_pod(cluster: &Cluster, name: &str, uid: &str, value: Value) -> Result<(), Failure> {
    let path = Resource::core("pods").object(cluster.namespace(), name);
    // Another pod of this name has another UID, which the API server refuses to write.
    let patch = json!({ "metadata": { "uid": uid, "labels": { GATE_KEY: value } } });
    let written = cluster.api().patch(&path, &patch).await.map(drop);
    written.map_err(|e| e.into_failure(format!("cannot label Pod/{name}")))
}
