//! Whether this user may make each call that the run will need, asked of the API server itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vllm_rollback_engine::workload::{Finding, Severity};
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::workload::Workload;

use crate::api::Resource;
use crate::connect::Cluster;
use crate::mapping::{self, Mapper};
use crate::view::revisions_resource;

/// A call, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    verb: &'static str,
    group: String,
    /// `pods/portforward`.
    resource: String,
    purpose: &'static str,
    /// Consequence of its lack.
    lack: Severity,
}

/// Calls of several verbs, separated by spaces.
fn calls(verbs: &'static str, group: &str, resource: &str, purpose: &'static str, lack: Severity) -> Vec<Call> {
    let call = |verb| Call {
        verb,
        group: group.to_owned(),
        resource: resource.to_owned(),
        purpose,
        lack,
    };
    verbs.split(' ').map(call).collect()
}

/// Calls of the run itself.
fn own_calls(target: &Manifest, service_gate: bool) -> Vec<Call> {
    use Severity::{Refuse, Warning};
    let mut all = Vec::new();
    let mut add = |verbs, group: &str, resource: &str, purpose, lack| {
        all.extend(calls(verbs, group, resource, purpose, lack));
    };
    add("list watch", "", "pods", "watching the rollout", Refuse);
    for verb in ["get", "list", "watch"] {
        for workload in target.workloads() {
            let Resource { group, plural, .. } = mapping::workloads(workload.kind);
            add(verb, &group, &plural, "watching the rollout", Refuse);
            if let (Some(of), "list" | "watch") = (revisions_resource(workload.kind), verb) {
                add(verb, &of.group, &of.plural, "telling revisions apart", Refuse);
            }
        }
    }
    let (leases, slices) = ("coordination.k8s.io", "discovery.k8s.io");
    add("get create update delete", leases, "leases", "the lock", Refuse);
    add("get create update", "", "configmaps", "the journal's mirror", Warning);
    add("list watch", "", "events", "naming causes", Warning);
    add("get", "", "pods/log", "naming causes", Warning);
    add("create update list", "", "secrets", "helm's release record", Refuse);
    if service_gate {
        let stopped = "proving that traffic stopped";
        add("get list patch", "", "services", "the Service gate", Refuse);
        add("list watch", slices, "endpointslices", stopped, Refuse);
    }
    all
}

/// Two ways to a pod's port; one is enough.
fn pod_ways() -> Vec<Call> {
    let purpose = "asking pods whether they serve";
    let ways = ["pods/portforward", "pods/proxy"].into_iter();
    ways.flat_map(|way| calls("get create", "", way, purpose, Severity::Refuse))
        .collect()
}

pub(super) async fn inspect(
    cluster: &Cluster,
    mapper: &Mapper,
    current: &Manifest,
    target: &Manifest,
    service_gate: bool,
) -> Vec<Finding> {
    let mut calls = own_calls(target, service_gate);
    calls.extend(helm_calls(mapper, current, target).await);
    // Last: where Helm creates one, that weighs more.
    calls.extend(dry_run_calls(target));
    let mut known = BTreeSet::new();
    calls.retain(|call| known.insert((call.verb, call.resource.clone())));
    let ways = pod_ways();
    let (answers, ways) = futures::join!(
        futures::future::join_all(calls.iter().map(|c| allowed(cluster, c))),
        futures::future::join_all(ways.iter().map(|c| allowed(cluster, c))),
    );
    let mut found: Vec<Finding> = calls
        .iter()
        .zip(&answers)
        .filter_map(|(c, a)| evaluate(cluster, c, a))
        .collect();
    found.extend(judge_ways(cluster, &ways));
    if found.is_empty() {
        let text = format!("all {} calls that the run needs are allowed", calls.len() + 2);
        found.push(Finding::ok("rbac", text));
    }
    found
}

/// Writes of helm for this rollback.
async fn helm_calls(mapper: &Mapper, current: &Manifest, target: &Manifest) -> Vec<Call> {
    let mut all = Vec::new();
    let common_and_alone = [
        (target, current, "get patch", "get patch create"),
        (current, target, "get", "get delete"),
    ];
    for (manifest, other, common, alone) in common_and_alone {
        for object in &manifest.objects {
            let Ok(Some(resource)) = mapper.resource(&object.api_version, &object.kind).await else {
                continue;
            };
            let is_common = other.creates(&object.kind, &object.name);
            let verbs = if is_common { common } else { alone };
            let Resource { group, plural, .. } = &resource;
            all.extend(calls(verbs, group, plural, "helm's rollback", Severity::Refuse));
        }
    }
    all
}

/// RBAC takes a dry run for the real thing.
fn dry_run_calls(target: &Manifest) -> Vec<Call> {
    let purpose = "comparing live objects with all that the manifest means (a dry run)";
    let create = |workload: &Workload<'_>| {
        let Resource { group, plural, .. } = mapping::workloads(workload.kind);
        calls("create", &group, &plural, purpose, Severity::Warning)
    };
    target.workloads().iter().flat_map(create).collect()
}

/// None: the question itself failed.
async fn allowed(cluster: &Cluster, call: &Call) -> Option<bool> {
    let (resource, subresource) = call.resource.split_once('/').unwrap_or((&call.resource, ""));
    let attributes = json!({
        "namespace": cluster.namespace(),
        "verb": call.verb,
        "group": call.group,
        "resource": resource,
        "subresource": subresource,
    });
    ask(cluster, &attributes).await
}

/// Tells whether this user may patch the object at `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME`.
pub(super) async fn may_patch(cluster: &Cluster, path: &str) -> Option<bool> {
    let parts: Vec<&str> = path.split('/').collect();
    let [_, "apis", group, _, "namespaces", namespace, plural, name] = parts[..] else {
        return None;
    };
    let attributes = json!({
        "namespace": namespace,
        "verb": "patch",
        "group": group,
        "resource": plural,
        "name": name,
    });
    ask(cluster, &attributes).await
}

async fn ask(cluster: &Cluster, attributes: &Value) -> Option<bool> {
    let question = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": attributes },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = cluster.api().create(path, &question).await.ok()?;
    answer["status"]["allowed"].as_bool()
}

fn evaluate(cluster: &Cluster, call: &Call, answer: &Option<bool>) -> Option<Finding> {
    let namespace = cluster.namespace();
    let what = format!("{} {} in {namespace}", call.verb, call.resource);
    match answer {
        Some(true) => None,
        None => {
            let text = format!("cannot ask whether this user may {what}, needed for {}", call.purpose);
            Some(Finding::unknown("rbac", text))
        }
        Some(false) => {
            let text = format!("this user may not {what}, needed for {}", call.purpose);
            let (verb, resource) = (call.verb, call.resource.replacen('/', " --subresource=", 1));
            let ask = format!("ask for it: kubectl auth can-i {verb} {resource} -n {namespace}");
            Some(Finding::new(call.lack, "rbac", text).next(ask))
        }
    }
}

/// Of each way both verbs: a WebSocket upgrade is `get`, and since Kubernetes 1.35 also `create` (k/k#134577).
fn judge_ways(cluster: &Cluster, answers: &[Option<bool>]) -> Option<Finding> {
    let all = |way: &[Option<bool>]| way.iter().all(|a| *a == Some(true));
    match answers {
        [forward @ .., _, _] if all(forward) => None,
        [_, _, proxy @ ..] if all(proxy) => Some(Finding::warning(
            "rbac",
            "pods/portforward is not allowed, so pods are asked through pods/proxy; servers that ask for an API key cannot be checked",
        )),
        _ => {
            let text = "this user may use neither pods/portforward nor pods/proxy, so no check can ask the pods";
            let ask = format!("ask for get and create on pods/portforward in {}", cluster.namespace());
            Some(Finding::refuse("rbac", text).next(ask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: s}}";

    #[test]
    fn only_the_kinds_of_the_release_are_asked_for() {
        let target = Manifest::parse(TEXT, "ml").unwrap();
        let resources: Vec<_> = own_calls(&target, false).into_iter().map(|c| c.resource).collect();
        assert!(resources.contains(&"statefulsets".to_owned()));
        assert!(!resources.contains(&"deployments".to_owned()) && !resources.contains(&"replicasets".to_owned()));
        assert!(!resources.contains(&"endpointslices".to_owned()));
        let gated: Vec<_> = own_calls(&target, true).into_iter().map(|c| c.resource).collect();
        assert!(gated.contains(&"endpointslices".to_owned()));
    }
}
