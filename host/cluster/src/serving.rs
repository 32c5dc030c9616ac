//! The pods that serve the model.

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_objects::manifest::Manifest;

use crate::api::Resource;
use crate::connect::Cluster;
use crate::pods::{self, list};
use crate::view::{self, LiveWorkload};

impl Cluster {
    /// Command and arguments of a pod's containers, one after the other.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unreachable`.
    pub async fn pod_arguments(&self, pod: &str) -> Result<Vec<String>, Failure> {
        let path = Resource::core("pods").object(self.namespace(), pod);
        let read = self.api().get(&path).await;
        let object = read.map_err(|e| e.into_failure(format!("cannot read Pod/{pod}")))?;
        let containers = list(&object["spec"]["containers"]).iter();
        let words = containers.flat_map(|container| ["command", "args"].map(|key| &container[key]));
        let texts = words.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        Ok(texts.map(str::to_owned).collect())
    }
}

/// Pods of the revision that each serving workload works towards, without those that are terminating.
pub(crate) async fn pods(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<ServingPod>, Failure> {
    collect(cluster, manifest, |live| {
        let pods = live.target_pods();
        pods.filter(|pod| pods::is_standing(pod)).collect()
    })
    .await
}

/// All pods of the serving workloads that may answer requests now, whatever revision: also those that are terminating.
pub(crate) async fn answering(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<ServingPod>, Failure> {
    collect(cluster, manifest, |live| {
        let pods = live.pods.iter();
        pods.filter(|pod| pods::phase(pod) == "Running").collect()
    })
    .await
}

async fn collect(
    cluster: &Cluster,
    manifest: &Manifest,
    choose: fn(&LiveWorkload) -> Vec<&Value>,
) -> Result<Vec<ServingPod>, Failure> {
    let workloads = manifest.serving_workloads();
    let live = view::read_all(cluster, &workloads).await?;
    let mut found = Vec::new();
    for (workload, live) in view::among(&live, &workloads) {
        let port = manifest.serving_port(workload);
        found.extend(choose(live).into_iter().map(|pod| serving(pod, port)));
    }
    Ok(found)
}

pub(crate) fn serving(pod: &Value, port: u16) -> ServingPod {
    ServingPod {
        name: pods::name(pod).to_owned(),
        uid: pods::uid(pod).to_owned(),
        revision_hash: pods::revision_hash(pod).to_owned(),
        ready: pods::is_ready(pod),
        restarts: pods::restarts(pod),
        port,
        images: pods::images(pod),
        ip: pods::ip(pod).map(str::to_owned),
    }
}
