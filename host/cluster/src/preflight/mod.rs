//! Everything the run will need, looked at before anything changes. Read-only.

mod access;
mod gate;
mod images;
mod immutable;
mod owners;
mod references;
mod room;
mod startup;

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::workload::{Finding, Preflight, Severity};

use crate::autoscaler;
use crate::connect::Cluster;
use crate::manifest::{Manifest, Mapper, served_model};
use crate::pods;
use crate::view::{self, LiveWorkload};

fn finding(severity: Severity, subject: &str, message: impl Into<String>) -> Finding {
    Finding {
        severity,
        subject: subject.to_owned(),
        message: message.into(),
        next: Vec::new(),
    }
}

pub(crate) async fn look(
    cluster: &Cluster,
    current: &Manifest,
    target: &Manifest,
    service_gate: bool,
) -> Result<Preflight, Failure> {
    let mapper = Mapper::new(cluster.wire().clone());
    let workloads = target.workloads();
    let reads = workloads.iter().map(|w| view::read(cluster, w));
    let live: Vec<LiveWorkload> = match futures::future::try_join_all(reads).await {
        Ok(live) => live.into_iter().flatten().collect(),
        // Not allowed: the findings on RBAC say so.
        Err(failure) if failure.kind == vllm_rollback_engine::failure::FailureKind::Forbidden => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let places = async {
        let nodes = cluster.wire().list("/api/v1/nodes", &[]).await;
        let mut found = room::look(cluster, target, &live, &nodes).await;
        found.extend(images::look(target, &nodes));
        found
    };
    let gate = async {
        match service_gate {
            true => gate::look(&mapper, target).await,
            false => Vec::new(),
        }
    };
    let (owners, access, references, places, scaled, kinds, fixed, gate) = futures::join!(
        owners::look(cluster, target, live.iter().map(|w| &w.object)),
        access::look(cluster, &mapper, current, target, service_gate),
        references::look(cluster, target),
        places,
        look_at_autoscalers(cluster, target, &live),
        look_at_kinds(&mapper, current, target),
        immutable::look(&mapper, current, target, &live),
        gate,
    );
    let mut findings = Vec::new();
    if workloads.is_empty() {
        let mut none = finding(
            Severity::Refuse,
            "workload",
            "the target's manifest has no Deployment, StatefulSet or DaemonSet, so nothing could be watched or checked",
        );
        none.next.push("use helm rollback itself".to_owned());
        findings.push(none);
    }
    findings.extend(owners);
    findings.extend(gate);
    findings.extend(access);
    findings.extend(kinds);
    findings.extend(fixed);
    findings.extend(places);
    findings.extend(references);
    findings.extend(scaled);
    let budget = startup::budget(target);
    findings.push(finding(
        Severity::Ok,
        "startup",
        format!(
            "the target's probes and scheduling allow {budget} s until it is ready{}",
            progress_deadline(target)
        ),
    ));
    Ok(Preflight {
        findings,
        startup_budget_seconds: budget,
        model: target.serving_workloads().iter().find_map(served_model),
        services: target.services().iter().map(|s| s.object.name.clone()).collect(),
    })
}

fn progress_deadline(target: &Manifest) -> String {
    let shortest = target
        .workloads()
        .iter()
        .filter_map(|w| w.object.json["spec"]["progressDeadlineSeconds"].as_u64())
        .min();
    shortest.map_or_else(String::new, |s| format!("; its progressDeadlineSeconds is {s}"))
}

/// Kinds of either manifest that the API does not serve: helm would fail and leave a pending record.
async fn look_at_kinds(mapper: &Mapper, current: &Manifest, target: &Manifest) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for object in current.objects.iter().chain(&target.objects) {
        let message = format!(
            "{} has the kind {} of {}, which this cluster does not serve: helm cannot roll back",
            object.label(),
            object.kind,
            object.api_version
        );
        let severity = match mapper.resource(&object.api_version, &object.kind).await {
            Ok(Some(_)) => continue,
            Ok(None) => Severity::Refuse,
            Err(_) => Severity::Unknown,
        };
        let mut one = finding(severity, "kind", message);
        one.next
            .push("install the missing CustomResourceDefinition, or map the API by helm-mapkubeapis".to_owned());
        if !found.iter().any(|f| f.message == one.message) {
            found.push(one);
        }
    }
    found
}

async fn look_at_autoscalers(cluster: &Cluster, target: &Manifest, live: &[LiveWorkload]) -> Vec<Finding> {
    let scaled = match autoscaler::scaled(cluster).await {
        Ok(scaled) => scaled,
        Err(failure) => return vec![finding(Severity::Unknown, "autoscaler", failure.to_string())],
    };
    let mut found = Vec::new();
    for workload in target.workloads() {
        let label = workload.object.label();
        let live = live.iter().find(|l| l.label == label);
        let running = live.and_then(|l| l.object["spec"]["replicas"].as_u64());
        let by = scaled
            .iter()
            .find(|s| s.is(workload.object))
            .map(|s| (s.by.as_str(), s.min));
        found.extend(judge_replicas(
            &label,
            running,
            wanted_replicas(workload.object.json.get("spec")),
            by,
        ));
    }
    found
}

/// None when the manifest leaves the number to an autoscaler.
fn wanted_replicas(spec: Option<&Value>) -> Option<u64> {
    spec.and_then(|s| s["replicas"].as_u64())
}

fn judge_replicas(label: &str, running: Option<u64>, wanted: Option<u64>, by: Option<(&str, u64)>) -> Option<Finding> {
    let (running, wanted) = (running?, wanted?);
    if running <= wanted {
        return None;
    }
    let mut found = match by {
        Some((name, min)) => finding(
            Severity::Warning,
            "autoscaler",
            format!(
                "{label} has {running} replicas by the autoscaler {name}; the rollback sets them to {wanted} until it acts again (its minimum is {min})"
            ),
        ),
        None => finding(
            Severity::Warning,
            "autoscaler",
            format!(
                "{label} has {running} replicas, the target's manifest says {wanted}, and no autoscaler would raise them again"
            ),
        ),
    };
    found.next.push(match by {
        Some((name, _)) => format!("kubectl patch hpa {name} -p '{{\"spec\":{{\"minReplicas\":{running}}}}}'"),
        None => format!(
            "afterwards: kubectl scale {} --replicas={running}",
            label.to_lowercase()
        ),
    });
    Some(found)
}

/// The live objects of a manifest; absent ones are left out.
pub(crate) async fn live_objects(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<Value>, Failure> {
    let mapper = Mapper::new(cluster.wire().clone());
    let reads = manifest.objects.iter().map(|object| {
        let mapper = &mapper;
        async move {
            let live = mapper.live(object).await;
            live.map_err(|e| e.into_failure(format!("cannot read {}", object.label())))
        }
    });
    let found = futures::future::try_join_all(reads).await?;
    Ok(found.into_iter().flatten().map(without_managers).collect())
}

fn without_managers(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    debug_assert!(!pods::name(&object).is_empty(), "every object has a name");
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_that_a_rollback_would_take_away_are_warned_of() {
        let warned = judge_replicas("Deployment/d", Some(4), Some(1), Some(("h", 2))).unwrap();
        assert_eq!(warned.severity, Severity::Warning);
        assert!(warned.next[0].contains("\"minReplicas\":4"), "{:?}", warned.next);
        assert!(judge_replicas("Deployment/d", Some(4), Some(1), None).is_some());
        assert!(judge_replicas("Deployment/d", Some(1), Some(1), None).is_none());
        assert!(judge_replicas("Deployment/d", Some(4), None, None).is_none());
    }
}
