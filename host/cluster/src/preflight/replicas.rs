//! Replicas that somebody added since the target was written: Helm sets them back to the manifest's number, and behind a
//! closed gate no load makes an autoscaler raise them again before the model is let back.

use vllm_rollback_engine::workload::Finding;
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::workload::Workload;

use crate::autoscaler::{self, Scaled};
use crate::connect::Cluster;
use crate::view::{self, LiveWorkload};

pub(super) async fn inspect(
    cluster: &Cluster,
    current: &Manifest,
    target: &Manifest,
    live: &[LiveWorkload],
) -> Vec<Finding> {
    if current.objects == target.objects {
        // Helm did its part already, and is not run again.
        return Vec::new();
    }
    let scaled = match autoscaler::scaled(cluster).await {
        Ok(scaled) => scaled,
        Err(failure) => return vec![Finding::unknown("autoscaler", failure.to_string())],
    };
    let mut found = Vec::new();
    for workload in target.workloads() {
        let label = workload.object.label();
        let running = view::of(live, workload.object).and_then(|l| l.object["spec"]["replicas"].as_u64());
        let before = current.workloads().into_iter().find(|w| w.object.label() == label);
        let wanted = wanted(&workload, before.as_ref());
        let by = scaled.iter().find(|s| s.is(workload.object));
        found.extend(evaluate(&label, running, wanted, by));
    }
    found
}

/// Number that Helm sets; none when the manifests leave it alone. A number that only the current manifest has is taken
/// out, and the API server's default is 1 (helm/helm#12650).
fn wanted(target: &Workload<'_>, current: Option<&Workload<'_>>) -> Option<u64> {
    let written = |workload: &Workload<'_>| workload.object.json["spec"]["replicas"].as_u64();
    written(target).or_else(|| current.and_then(written).map(|_| 1))
}

fn evaluate(label: &str, running: Option<u64>, wanted: Option<u64>, by: Option<&Scaled>) -> Option<Finding> {
    let (running, wanted) = (running?, wanted?);
    let kept = by.map_or(wanted, |by| by.min.max(wanted));
    if running <= kept {
        return None;
    }
    let (message, keep) = if let Some(by) = by {
        let message = format!(
            "{label} has {running} replicas by the autoscaler {}; the rollback sets them to {wanted}, and without load it \
             raises them to its minimum of {} only",
            by.by, by.min
        );
        (message, by.keep(running))
    } else {
        let message = format!(
            "{label} has {running} replicas, the target's manifest says {wanted}, and no autoscaler would raise them again"
        );
        let workload = label.to_lowercase();
        let scale = format!("go on with fewer, and afterwards: kubectl scale {workload} --replicas={running}");
        (message, scale)
    };
    Some(
        Finding::refuse("autoscaler", message)
            .next(keep)
            .next("to go on with fewer replicas: --accept-fewer-replicas"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use vllm_rollback_engine::workload::Severity;

    #[test]
    fn replicas_that_a_rollback_would_take_away_are_refused_with_how_to_keep_them() {
        let by = |min, keda: Option<&str>| Scaled::new("h", min, keda);
        let refused = evaluate("Deployment/d", Some(4), Some(1), Some(&by(2, None))).unwrap();
        assert_eq!(refused.severity, Severity::Refuse);
        assert!(refused.next[0].contains("\"minReplicas\":4"), "{:?}", refused.next);
        let keda = evaluate("Deployment/d", Some(4), Some(1), Some(&by(1, Some("s")))).unwrap();
        assert!(keda.next[0].contains("\"minReplicaCount\":4"), "{:?}", keda.next);
        assert!(evaluate("Deployment/d", Some(4), Some(1), None).is_some());
    }

    #[test]
    fn replicas_that_stay_or_come_back_by_themselves_are_no_finding() {
        assert_eq!(evaluate("Deployment/d", Some(1), Some(1), None), None);
        assert_eq!(evaluate("Deployment/d", Some(4), None, None), None);
        assert_eq!(
            evaluate("Deployment/d", Some(4), Some(1), Some(&Scaled::new("h", 4, None))),
            None
        );
    }
}
