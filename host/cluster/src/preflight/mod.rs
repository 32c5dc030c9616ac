//! Everything the run will need, looked at before anything changes. Read-only.

mod access;
mod capacity;
mod gate;
mod images;
mod immutable;
mod owners;
mod references;
mod replicas;
mod startup;

use serde_json::Value;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::workload::{Finding, Preflight, Severity};
use vllm_rollback_objects::identity::Object;
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::served_model::served_model;

use crate::connect::Cluster;
use crate::mapping::Mapper;
use crate::pod_split;
use crate::view::{self, LiveWorkload};

pub(crate) async fn inspect(
    cluster: &Cluster,
    current: &Manifest,
    target: &Manifest,
    service_gate: bool,
) -> Result<Preflight, Failure> {
    let mapper = Mapper::new(cluster.api().clone());
    let workloads = target.workloads();
    let live: Vec<LiveWorkload> = match view::read_all(cluster, &workloads).await {
        Ok(live) => live,
        // Not allowed: the findings on RBAC say so.
        Err(failure) if failure.kind == FailureKind::Forbidden => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let places = async {
        let nodes = cluster.api().list("/api/v1/nodes", &[]).await;
        let mut found = capacity::inspect(cluster, target, &live, &nodes).await;
        found.extend(images::inspect(target, &nodes));
        found
    };
    let gate = async {
        match service_gate {
            true => gate::inspect(cluster, &mapper, target, &live).await,
            false => Vec::new(),
        }
    };
    let live_objects: Vec<&Value> = live.iter().map(|w| &w.object).collect();
    let ((owners, gitops), access, references, places, scaled, kinds, fixed, gate) = futures::join!(
        owners::inspect(cluster, target, &live_objects),
        access::inspect(cluster, &mapper, current, target, service_gate),
        references::inspect(cluster, target),
        places,
        replicas::inspect(cluster, current, target, &live),
        look_at_kinds(&mapper, current, target),
        immutable::inspect(&mapper, current, target, &live),
        gate,
    );
    let mut findings = Vec::new();
    if workloads.is_empty() {
        let text =
            "the target's manifest has no Deployment, StatefulSet or DaemonSet, so nothing could be watched or checked";
        findings.push(Finding::refuse("workload", text).next("use helm rollback itself"));
    }
    let looked = [owners, gate, access, kinds, fixed, places, references, scaled];
    findings.extend(looked.into_iter().flatten());
    let budget = startup::budget(target);
    findings.push(Finding::ok(
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
        gitops,
        services: target.services().iter().map(|s| s.object.name.clone()).collect(),
        standing: Some(pod_split::among(target, &live)).filter(|standing| !standing.good.is_empty()),
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
        let one = Finding::new(severity, "kind", message)
            .next("install the missing CustomResourceDefinition, or map the API by helm-mapkubeapis");
        if !found.iter().any(|f| f.message == one.message) {
            found.push(one);
        }
    }
    found
}

/// The live objects of a manifest; absent ones are left out.
pub(crate) async fn live_objects(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<Object>, Failure> {
    let mapper = Mapper::new(cluster.api().clone());
    let reads = manifest.objects.iter().map(async |object| {
        let live = mapper.live(object).await;
        live.map_err(|e| e.into_failure(format!("cannot read {}", object.label())))
    });
    let found = futures::future::try_join_all(reads).await?;
    let found = found.into_iter().flatten().map(without_managers);
    Ok(found
        .filter_map(|live| Object::read(live, cluster.namespace()))
        .collect())
}

fn without_managers(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object
}
