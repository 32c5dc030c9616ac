//! What stops a workload as a whole.

use std::time::Duration;

use serde_json::Value;
use vllm_rollback_engine::workload::{Cause, CauseReason};
use vllm_rollback_objects::workload::WorkloadKind;

use super::detected::{DetectedCause, MAY_HEAL, NEVER_HEALS, SOON};
use super::pod::of_pod;
use super::pod_text::{one_line, pod_label};
use crate::events;
use crate::pods;
use crate::view::LiveWorkload;

/// Time that a StatefulSet may leave a broken pod of another revision in place.
const STUCK: Option<Duration> = Some(Duration::from_secs(15));

/// All causes of a workload and of the pods of its newest revision. `events` are those about the release's objects.
pub(crate) fn of_workload(live: &LiveWorkload, events: &[&Value]) -> Vec<DetectedCause> {
    let about = |object: &Value| -> Vec<&Value> {
        let uid = pods::uid(object);
        events.iter().copied().filter(|e| events::about_uid(e) == uid).collect()
    };
    let capacity_pending = live.pods.iter().any(pods::is_terminating);
    let mut seen: Vec<DetectedCause> = live
        .target_pods()
        .flat_map(|pod| of_pod(pod, &about(pod), capacity_pending))
        .collect();
    seen.extend(deadline_exceeded(live));
    if seen.is_empty() {
        seen.extend(create_refused(live, &about, capacity_pending));
        seen.extend(stuck_pod(live, &about));
    }
    seen
}

fn deadline_exceeded(live: &LiveWorkload) -> Option<DetectedCause> {
    let condition = pods::condition(&live.object["status"], "Progressing")?;
    if condition["status"] != "False" || condition["reason"] != "ProgressDeadlineExceeded" || !is_observed(live) {
        return None;
    }
    let text = one_line(condition["message"].as_str().unwrap_or_default());
    let message = format!(
        "the rollout made no progress for {} s: {text}",
        live.object["spec"]["progressDeadlineSeconds"].as_u64().unwrap_or(600)
    );
    let workload = live.label.clone();
    Some(DetectedCause::new(
        CauseReason::ProgressDeadline,
        workload,
        message,
        NEVER_HEALS,
    ))
}

/// The API server refused a pod: quota, admission, a missing ServiceAccount.
fn create_refused<'a>(
    live: &'a LiveWorkload,
    about: &impl Fn(&'a Value) -> Vec<&'a Value>,
    capacity_pending: bool,
) -> Option<DetectedCause> {
    let condition = pods::condition(&live.object["status"], "ReplicaFailure")
        .filter(|c| c["status"] == "True")
        .and_then(|c| c["message"].as_str());
    let hash = live.target_hash();
    let of_target = |revision: &&Value| revision["metadata"]["labels"]["pod-template-hash"].as_str() == hash;
    let newest_event = || {
        live.revisions
            .iter()
            .filter(of_target)
            .chain([&live.object])
            .flat_map(about)
            .filter(|e| e["reason"] == "FailedCreate")
            .max_by_key(|e| events::last_seen(e))
            .and_then(|e| e["message"].as_str())
    };
    // Events outlive their trouble, so they count only while pods are missing.
    let missing = live.target_pods().count() == 0;
    let text = condition.or_else(|| missing.then(newest_event).flatten())?;
    let grace = if capacity_pending { MAY_HEAL } else { SOON };
    let message = format!("pods cannot be created: {}", one_line(text));
    Some(
        DetectedCause::new(CauseReason::CreateRefused, live.label.clone(), message, grace)
            .next("free the quota, or ask who owns the admission policy that is named"),
    )
}

/// A StatefulSet with ordered pods does not replace a broken pod when its template is put back (Kubernetes documents it
/// as "Forced Rollback").
fn stuck_pod<'a>(live: &'a LiveWorkload, about: &impl Fn(&'a Value) -> Vec<&'a Value>) -> Option<DetectedCause> {
    if live.kind != WorkloadKind::StatefulSet || !is_observed(live) {
        return None;
    }
    let hash = live.target_hash()?;
    let stuck = live
        .pods
        .iter()
        .find(|p| pods::revision_hash(p) != hash && !pods::is_ready(p) && !pods::is_terminating(p))?;
    let why = of_pod(stuck, &about(stuck), false).into_iter().next()?;
    let Cause { reason, message, .. } = why.cause;
    let message = format!("the StatefulSet does not replace this broken pod of another revision: {message}");
    let delete = format!("kubectl delete pod {} -n {}", pods::name(stuck), pods::namespace(stuck));
    Some(DetectedCause {
        log_of: why.log_of,
        ..DetectedCause::new(reason, pod_label(stuck), message, STUCK).next(delete)
    })
}

fn is_observed(live: &LiveWorkload) -> bool {
    let generation = live.object["metadata"]["generation"].as_u64().unwrap_or(0);
    live.object["status"]["observedGeneration"].as_u64().unwrap_or(0) >= generation
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(conditions: Value, pods: Vec<Value>) -> LiveWorkload {
        let object = json!({"metadata": {"name": "d", "uid": "d", "generation": 2,
            "annotations": {"deployment.kubernetes.io/revision": "2"}},
            "status": {"observedGeneration": 2, "conditions": conditions}});
        let newest = json!({"metadata": {"name": "rs", "uid": "rs", "labels": {"pod-template-hash": "new"},
            "annotations": {"deployment.kubernetes.io/revision": "2"},
            "ownerReferences": [{"controller": true, "uid": "d"}]}});
        LiveWorkload::assemble(
            WorkloadKind::Deployment,
            "Deployment/d".into(),
            object,
            vec![newest],
            pods,
        )
    }

    #[test]
    fn quota_is_told_in_the_api_servers_words() {
        let conditions = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "pods \"x\" is forbidden: exceeded quota: gpus"}]);
        let seen = of_workload(&deployment(conditions, vec![]), &[]);
        assert_eq!(seen[0].cause.reason, CauseReason::CreateRefused);
        assert!(seen[0].cause.message.contains("exceeded quota: gpus"));
    }

    #[test]
    fn a_replica_sets_failed_create_counts_while_its_pods_are_missing() {
        let event = json!({"reason": "FailedCreate", "message": "admission webhook denied",
            "involvedObject": {"uid": "rs"}});
        let seen = of_workload(&deployment(json!([]), vec![]), &[&event]);
        assert_eq!(seen[0].cause.reason, CauseReason::CreateRefused);
        let pod = json!({"metadata": {"uid": "p", "labels": {"pod-template-hash": "new"},
            "ownerReferences": [{"controller": true, "uid": "rs"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert!(of_workload(&deployment(json!([]), vec![pod]), &[&event]).is_empty());
    }

    #[test]
    fn the_deployments_own_deadline_is_final() {
        let conditions = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": "ReplicaSet has timed out progressing."}]);
        let seen = of_workload(&deployment(conditions, vec![]), &[]);
        assert_eq!(
            (seen[0].cause.reason, seen[0].grace),
            (CauseReason::ProgressDeadline, NEVER_HEALS)
        );
    }

    #[test]
    fn a_broken_pod_that_a_stateful_set_keeps_is_named_with_the_way_out() {
        let object = json!({"metadata": {"name": "s", "uid": "s", "generation": 1},
            "status": {"observedGeneration": 1, "updateRevision": "s-new"}});
        let pod = json!({"metadata": {"name": "s-0", "namespace": "ml", "uid": "p",
            "labels": {"controller-revision-hash": "s-bad"}, "ownerReferences": [{"controller": true, "uid": "s"}]},
            "status": {"containerStatuses": [{"name": "vllm", "restartCount": 4,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}});
        let live = LiveWorkload::assemble(
            WorkloadKind::StatefulSet,
            "StatefulSet/s".into(),
            object,
            vec![],
            vec![pod],
        );
        let seen = of_workload(&live, &[]);
        assert_eq!(seen[0].cause.reason, CauseReason::CrashLoop);
        assert_eq!(seen[0].cause.next, ["kubectl delete pod s-0 -n ml"]);
    }

    #[test]
    fn pods_of_the_bad_revision_are_not_the_targets_trouble() {
        let pod = json!({"metadata": {"name": "bad", "uid": "p", "labels": {"pod-template-hash": "bad"},
            "ownerReferences": [{"controller": true, "uid": "rs"}]},
            "status": {"containerStatuses": [{"name": "vllm", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1}}}]}});
        assert!(of_workload(&deployment(json!([]), vec![pod]), &[]).is_empty());
    }
}
