//! A release's workloads as they live: each with its pods and the revision its controller works towards.
//!
//! Pods are found by the workload's selector *and* by who controls them: charts' hook Jobs often carry the selector's
//! labels.

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_objects::comparison::is_live;
use vllm_rollback_objects::fields::Fields;
use vllm_rollback_objects::identity::Object;
use vllm_rollback_objects::workload::{Workload, WorkloadKind};

use crate::api::Resource;
use crate::connect::Cluster;
use crate::mapping;
use crate::pods;

/// A workload in the cluster.
#[derive(Debug, Clone)]
pub(crate) struct LiveWorkload {
    pub(crate) kind: WorkloadKind,
    /// `Deployment/llama`.
    pub(crate) label: String,
    pub(crate) object: Value,
    /// ReplicaSets of a Deployment, ControllerRevisions of a DaemonSet; empty for a StatefulSet.
    pub(crate) revisions: Vec<Value>,
    pub(crate) pods: Vec<Value>,
}

impl LiveWorkload {
    /// Keeps what belongs to this workload.
    pub(crate) fn assemble(
        kind: WorkloadKind,
        label: String,
        object: Value,
        revisions: Vec<Value>,
        pods: Vec<Value>,
    ) -> Self {
        let uid = pods::uid(&object).to_owned();
        let revisions: Vec<Value> = revisions
            .into_iter()
            .filter(|r| pods::controller_uid(r) == Some(uid.as_str()))
            .collect();
        let owners: Vec<String> = match kind {
            WorkloadKind::Deployment => revisions.iter().map(|r| pods::uid(r).to_owned()).collect(),
            WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => vec![uid],
        };
        let pods = pods
            .into_iter()
            .filter(|pod| pods::controller_uid(pod).is_some_and(|owner| owners.iter().any(|o| o == owner)))
            .collect();
        Self {
            kind,
            label,
            object,
            revisions,
            pods,
        }
    }

    /// The hash of the revision that the controller works towards; none before it has seen the spec.
    pub(crate) fn target_hash(&self) -> Option<&str> {
        match self.kind {
            WorkloadKind::Deployment => {
                let number = revision_number(&self.object)?;
                let newest = self.revisions.iter().find(|r| revision_number(r) == Some(number))?;
                newest["metadata"]["labels"]["pod-template-hash"].as_str()
            }
            WorkloadKind::StatefulSet => self.object["status"]["updateRevision"].as_str(),
            WorkloadKind::DaemonSet => {
                let newest = self.revisions.iter().max_by_key(|r| r["revision"].as_i64())?;
                newest["metadata"]["labels"]["controller-revision-hash"].as_str()
            }
        }
    }

    /// ReplicaSets whose pods run this template, apart from what it leaves open.
    pub(crate) fn revisions_of(&self, template: &Value) -> impl Iterator<Item = &Value> {
        let fields = Fields::of_kind("apps/v1", "Deployment");
        let revisions = self.revisions.iter();
        revisions.filter(move |set| is_live(&fields, &["spec", "template"], template, &set["spec"]["template"]))
    }

    /// Pods of the revision that the controller works towards.
    pub(crate) fn target_pods(&self) -> impl Iterator<Item = &Value> {
        let hash = self.target_hash();
        self.pods
            .iter()
            .filter(move |pod| hash == Some(pods::revision_hash(pod)))
    }
}

/// The Deployment controller's own count, on the Deployment and on each ReplicaSet.
fn revision_number(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str()
}

/// Kind of object that holds the revisions of a workload's template.
pub(crate) fn revisions_resource(kind: WorkloadKind) -> Option<Resource> {
    match kind {
        WorkloadKind::Deployment => Some(Resource::apps("replicasets")),
        WorkloadKind::DaemonSet => Some(Resource::apps("controllerrevisions")),
        WorkloadKind::StatefulSet => None,
    }
}

/// Reads a workload with its pods; none when it does not exist.
pub(crate) async fn read(cluster: &Cluster, workload: &Workload<'_>) -> Result<Option<LiveWorkload>, Failure> {
    let api = cluster.api();
    let label = workload.object.label();
    let namespace = Some(workload.object.namespace.as_str());
    let selector = workload.selector();
    let query = [("labelSelector", selector.as_str())];
    let object = async { api.find(&mapping::path(workload)).await };
    let pods = async { api.list(&Resource::core("pods").collection(namespace), &query).await };
    let revisions = async {
        match revisions_resource(workload.kind) {
            None => Ok(Vec::new()),
            Some(resource) => api.list(&resource.collection(namespace), &query).await.map(|l| l.items),
        }
    };
    let (object, pods, revisions) = futures::try_join!(object, pods, revisions)
        .map_err(|error| error.into_failure(format!("cannot read {label} and its pods")))?;
    Ok(object.map(|object| LiveWorkload::assemble(workload.kind, label, object, revisions, pods.items)))
}

/// Reads those of these workloads that exist.
pub(crate) async fn read_all(cluster: &Cluster, workloads: &[Workload<'_>]) -> Result<Vec<LiveWorkload>, Failure> {
    let reads = workloads.iter().map(|workload| read(cluster, workload));
    let found = futures::future::try_join_all(reads).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Pairs workloads with what was read of them; absent ones are left out.
pub(crate) fn among<'l, 'w, 'm>(
    live: &'l [LiveWorkload],
    workloads: &'w [Workload<'m>],
) -> impl Iterator<Item = (&'w Workload<'m>, &'l LiveWorkload)> {
    workloads
        .iter()
        .filter_map(|workload| Some((workload, of(live, workload.object)?)))
}

/// Finds what was read of an object.
pub(crate) fn of<'l>(live: &'l [LiveWorkload], object: &Object) -> Option<&'l LiveWorkload> {
    let label = object.label();
    let mut live = live.iter();
    live.find(|live| live.label == label && pods::namespace(&live.object) == object.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owned(name: &str, owner: &str, hash: &str) -> Value {
        json!({"metadata": {"name": name, "uid": name, "labels": {"pod-template-hash": hash},
            "ownerReferences": [{"controller": true, "uid": owner}]}})
    }

    fn deployment() -> LiveWorkload {
        let mut old = owned("rs-old", "d", "aaa");
        old["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
        let mut new = owned("rs-new", "d", "bbb");
        new["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "2"});
        let object = json!({"metadata": {"uid": "d", "annotations": {"deployment.kubernetes.io/revision": "2"}}});
        LiveWorkload::assemble(
            WorkloadKind::Deployment,
            "Deployment/d".into(),
            object,
            vec![old, new, owned("rs-foreign", "other", "ccc")],
            vec![
                owned("old-pod", "rs-old", "aaa"),
                owned("new-pod", "rs-new", "bbb"),
                owned("hook-pod", "job", ""),
            ],
        )
    }

    #[test]
    fn a_hook_jobs_pod_with_the_same_labels_is_not_the_workloads() {
        let names: Vec<_> = deployment().pods.iter().map(|p| pods::name(p).to_owned()).collect();
        assert_eq!(names, ["old-pod", "new-pod"]);
    }

    #[test]
    fn the_target_is_the_replica_set_of_the_deployments_own_revision() {
        let deployment = deployment();
        assert_eq!(deployment.target_hash(), Some("bbb"));
        let names: Vec<_> = deployment.target_pods().map(pods::name).collect();
        assert_eq!(names, ["new-pod"]);
    }
}
