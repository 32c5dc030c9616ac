//! Whether a rollout is done: pods of exactly one revision, as many as asked for.
//!
//! kube's own `is_deployment_completed` ignores `observedGeneration`, so right after a patch it calls the old rollout done.

use serde_json::Value;
use vllm_rollback_objects::workload::WorkloadKind;

use crate::pods;
use crate::view::LiveWorkload;

/// Progress of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rollout {
    /// Exactly the newest revision serves.
    pub(crate) done: bool,
    /// `Deployment/x: generation 4 observed, 1/1 updated and available, hash 7b8f`.
    pub(crate) line: String,
}

pub(crate) fn rollout(live: &LiveWorkload) -> Rollout {
    let generation = live.object["metadata"]["generation"].as_u64().unwrap_or(0);
    let status = &live.object["status"];
    let observed = status["observedGeneration"].as_u64().unwrap_or(0);
    let number = |key: &str| status[key].as_u64().unwrap_or(0);
    if observed < generation {
        return Rollout {
            done: false,
            line: format!("{}: generation {generation} not observed yet", live.label),
        };
    }
    let (wanted, total, counts) = match live.kind {
        WorkloadKind::Deployment | WorkloadKind::StatefulSet => (
            live.object["spec"]["replicas"].as_u64().unwrap_or(1),
            number("replicas"),
            ["updatedReplicas", "readyReplicas", "availableReplicas"],
        ),
        WorkloadKind::DaemonSet => (
            number("desiredNumberScheduled"),
            number("currentNumberScheduled") + number("numberMisscheduled"),
            ["updatedNumberScheduled", "numberReady", "numberAvailable"],
        ),
    };
    let counts @ [updated, ready, available] = counts.map(number);
    let hash = live.target_hash();
    let standing = || live.pods.iter().filter(|pod| pods::is_standing(pod));
    let others = standing().filter(|p| hash != Some(pods::revision_hash(p))).count();
    let ready_pods = standing()
        .filter(|p| hash == Some(pods::revision_hash(p)) && pods::is_ready(p))
        .count() as u64;
    let terminating = live.pods.iter().filter(|p| pods::is_terminating(p)).count();
    let settled = counts.iter().all(|count| *count == wanted) && total == wanted;
    let mut line = format!(
        "{}: generation {generation} observed, {updated}/{wanted} updated, {ready} ready, {available} available",
        live.label
    );
    if let Some(hash) = hash {
        line.push_str(&format!(", hash {hash}"));
    }
    if others > 0 {
        line.push_str(&format!(", {others} of another revision"));
    }
    if terminating > 0 {
        line.push_str(&format!(", {terminating} terminating"));
    }
    if let Some(why) = waits_for_hand(&live.object) {
        line.push_str(why);
    }
    // A StatefulSet's template is in effect only once its current revision is the update's.
    let one_revision =
        live.kind != WorkloadKind::StatefulSet || wanted == 0 || status["currentRevision"] == status["updateRevision"];
    Rollout {
        done: settled && others == 0 && ready_pods == wanted && hash.is_some() && one_revision,
        line,
    }
}

/// Settings with which a controller does not replace all pods by itself.
fn waits_for_hand(object: &Value) -> Option<&'static str> {
    if object["spec"]["paused"] == true {
        return Some("; it is paused: kubectl rollout resume");
    }
    let strategy = &object["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" {
        return Some("; its strategy OnDelete replaces a pod only after it was deleted by hand");
    }
    let partition = strategy["rollingUpdate"]["partition"].as_u64().unwrap_or(0);
    (partition > 0).then_some("; its partition keeps some pods at the old revision")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(hash: &str, ready: bool, terminating: bool) -> Value {
        let mut pod = json!({"metadata": {"name": hash, "uid": hash, "labels": {"pod-template-hash": hash},
            "ownerReferences": [{"controller": true, "uid": format!("rs-{hash}")}]},
            "status": {"phase": "Running",
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}});
        if terminating {
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        pod
    }

    fn deployment(observed: u64, counts: [u64; 4], pods: Vec<Value>) -> Rollout {
        let revision = |hash: &str, number: &str| {
            json!({"metadata": {"uid": format!("rs-{hash}"), "labels": {"pod-template-hash": hash},
                "annotations": {"deployment.kubernetes.io/revision": number},
                "ownerReferences": [{"controller": true, "uid": "d"}]}})
        };
        let [replicas, updated, ready, available] = counts;
        let object = json!({"metadata": {"uid": "d", "generation": 3,
            "annotations": {"deployment.kubernetes.io/revision": "2"}}, "spec": {"replicas": 1},
            "status": {"observedGeneration": observed, "replicas": replicas, "updatedReplicas": updated,
                "readyReplicas": ready, "availableReplicas": available}});
        let revisions = vec![revision("new", "2"), revision("old", "1")];
        rollout(&LiveWorkload::assemble(
            WorkloadKind::Deployment,
            "Deployment/d".into(),
            object,
            revisions,
            pods,
        ))
    }

    #[test]
    fn one_ready_pod_of_the_newest_revision_is_done() {
        let rollout = deployment(3, [1, 1, 1, 1], vec![pod("new", true, false)]);
        assert!(rollout.done, "{}", rollout.line);
        assert!(
            rollout.line.contains("generation 3 observed, 1/1 updated"),
            "{}",
            rollout.line
        );
    }

    #[test]
    fn the_old_rollouts_numbers_do_not_count_before_the_controller_saw_the_new_spec() {
        assert!(!deployment(2, [1, 1, 1, 1], vec![pod("new", true, false)]).done);
    }

    #[test]
    fn a_pod_of_another_revision_keeps_it_from_being_done_until_it_terminates() {
        let both = |terminating| vec![pod("new", true, false), pod("old", true, terminating)];
        assert!(!deployment(3, [1, 1, 1, 1], both(false)).done);
        assert!(deployment(3, [1, 1, 1, 1], both(true)).done);
        assert!(!deployment(3, [2, 1, 2, 2], both(false)).done);
    }

    #[test]
    fn the_controllers_numbers_alone_do_not_make_it_done() {
        assert!(!deployment(3, [1, 1, 1, 1], vec![pod("new", false, false)]).done);
        assert!(!deployment(3, [1, 1, 1, 1], vec![]).done);
    }

    #[test]
    fn a_stateful_set_is_done_when_its_current_revision_is_the_updates() {
        let set = |current: &str| {
            let object = json!({"metadata": {"uid": "s", "generation": 1}, "spec": {"replicas": 1},
                "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
                    "availableReplicas": 1, "currentRevision": current, "updateRevision": "s-2"}});
            let pod = json!({"metadata": {"labels": {"controller-revision-hash": "s-2"},
                "ownerReferences": [{"controller": true, "uid": "s"}]},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
            rollout(&LiveWorkload::assemble(
                WorkloadKind::StatefulSet,
                "StatefulSet/s".into(),
                object,
                vec![],
                vec![pod],
            ))
        };
        assert!(set("s-2").done);
        assert!(!set("s-1").done);
    }

    #[test]
    fn what_waits_for_a_hand_is_told() {
        assert!(waits_for_hand(&json!({"spec": {"paused": true}})).is_some());
        assert!(waits_for_hand(&json!({"spec": {"updateStrategy": {"type": "OnDelete"}}})).is_some());
        assert!(waits_for_hand(&json!({"spec": {}})).is_none());
    }
}
