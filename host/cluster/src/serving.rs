//! The pods that serve the model.

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::workload::ServingPod;

use crate::connect::Cluster;
use crate::manifest::Manifest;
use crate::pods;
use crate::view;

/// Pods of the revision that each serving workload works towards, without those that are terminating.
pub(crate) async fn pods(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<ServingPod>, Failure> {
    collect(cluster, manifest, true).await
}

/// All pods of the serving workloads that may answer requests now, whatever revision: also those that are terminating.
pub(crate) async fn answering(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<ServingPod>, Failure> {
    collect(cluster, manifest, false).await
}

async fn collect(cluster: &Cluster, manifest: &Manifest, of_target: bool) -> Result<Vec<ServingPod>, Failure> {
    let workloads = manifest.serving_workloads();
    let reads = workloads.iter().map(|w| view::read(cluster, w));
    let live = futures::future::try_join_all(reads).await?;
    let mut found = Vec::new();
    for (workload, live) in workloads.iter().zip(live) {
        let Some(live) = live else { continue };
        let port = manifest.serving_port(workload);
        if of_target {
            let standing = live
                .target_pods()
                .filter(|p| !pods::is_terminating(p) && !pods::is_finished(p));
            found.extend(standing.map(|pod| serving(pod, port)));
        } else {
            let running = live.pods.iter().filter(|p| pods::phase(p) == "Running");
            found.extend(running.map(|pod| serving(pod, port)));
        }
    }
    Ok(found)
}

fn serving(pod: &Value, port: u16) -> ServingPod {
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
