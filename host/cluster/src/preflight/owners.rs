//! Who else writes the release: GitOps controllers that would undo a rollback.

use serde_json::Value;
use vllm_rollback_engine::workload::{Finding, Severity};

use super::finding;
use crate::connect::Cluster;
use crate::manifest::Manifest;
use crate::wire::Resource;

/// Findings from the labels and annotations of the manifest and of the live objects, and from the controller's own object.
pub(super) async fn look<'a>(
    cluster: &Cluster,
    manifest: &'a Manifest,
    live: impl Iterator<Item = &'a Value>,
) -> Vec<Finding> {
    let written = manifest.objects.iter().map(|object| &object.json);
    let Some(owner) = written.chain(live).find_map(owner) else {
        let text = "no Flux or Argo CD marks on the release's objects";
        return vec![finding(Severity::Ok, "gitops", text)];
    };
    let is_suspended = is_suspended(cluster, &owner).await;
    vec![judge(owner, is_suspended)]
}

/// Whether the controller leaves the release alone for now; none when its object cannot be read.
async fn is_suspended(cluster: &Cluster, owner: &Owner) -> Option<bool> {
    let wire = cluster.wire();
    let flux = async |group: &str, version: &str, plural: &str, namespace: &str, name: &str| {
        let object = wire
            .find(&Resource::new(group, version, plural).object(namespace, name))
            .await;
        Some(object.ok()??["spec"]["suspend"] == true)
    };
    match owner {
        Owner::Flux { name, namespace } => flux("helm.toolkit.fluxcd.io", "v2", "helmreleases", namespace, name).await,
        Owner::FluxKustomize { name, namespace } => {
            flux("kustomize.toolkit.fluxcd.io", "v1", "kustomizations", namespace, name).await
        }
        Owner::ArgoCd { application } => {
            let applications = Resource::new("argoproj.io", "v1alpha1", "applications");
            let listed = wire.list(&applications.collection(None), &[]).await.ok()?;
            // The tracking id is "NAMESPACE_NAME" for Applications outside of Argo CD's own namespace.
            let found = listed.items.iter().find(|object| {
                let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
                *application == text("name") || *application == format!("{}_{}", text("namespace"), text("name"))
            })?;
            let automated = &found["spec"]["syncPolicy"]["automated"];
            Some(automated.is_null() || automated["enabled"] == false)
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Flux { name: String, namespace: String },
    FluxKustomize { name: String, namespace: String },
    ArgoCd { application: String },
}

fn owner(object: &Value) -> Option<Owner> {
    let metadata = &object["metadata"];
    let label = |key: &str| metadata["labels"][key].as_str().map(str::to_owned);
    let annotation = |key: &str| metadata["annotations"][key].as_str().map(str::to_owned);
    if let Some(name) = label("helm.toolkit.fluxcd.io/name") {
        let namespace = label("helm.toolkit.fluxcd.io/namespace").unwrap_or_default();
        return Some(Owner::Flux { name, namespace });
    }
    if let Some(name) = label("kustomize.toolkit.fluxcd.io/name") {
        let namespace = label("kustomize.toolkit.fluxcd.io/namespace").unwrap_or_default();
        return Some(Owner::FluxKustomize { name, namespace });
    }
    // "app:group/Kind:namespace/name"; app.kubernetes.io/instance alone is set by plain charts too.
    let application = annotation("argocd.argoproj.io/tracking-id")
        .and_then(|id| id.split(':').next().map(str::to_owned))
        .or_else(|| label("argocd.argoproj.io/instance"))?;
    Some(Owner::ArgoCd { application })
}

fn judge(owner: Owner, is_suspended: Option<bool>) -> Finding {
    let (what, stop, go_on) = match owner {
        Owner::Flux { name, namespace } => (
            format!("Flux's HelmRelease {namespace}/{name}"),
            format!("flux suspend helmrelease {name} -n {namespace}"),
            format!("flux resume helmrelease {name} -n {namespace}"),
        ),
        Owner::FluxKustomize { name, namespace } => (
            format!("Flux's Kustomization {namespace}/{name}"),
            format!("flux suspend kustomization {name} -n {namespace}"),
            format!("flux resume kustomization {name} -n {namespace}"),
        ),
        Owner::ArgoCd { application } => (
            format!("Argo CD's Application {application}"),
            format!("argocd app set {application} --sync-policy none"),
            format!("argocd app sync {application}"),
        ),
    };
    let (severity, message, next) = if is_suspended == Some(true) {
        (
            Severity::Warning,
            format!("{what} owns the release and is suspended; it puts the bad version back once it goes on"),
            vec![format!("afterwards: revert the commit in Git, then {go_on}")],
        )
    } else {
        (
            Severity::Refuse,
            format!("{what} owns the release and would put the bad version back at its next reconcile"),
            vec![
                format!("{stop}, then run this again"),
                format!("revert the commit in Git, then {go_on}"),
                "or go on in spite of it: --gitops=ignore".to_owned(),
            ],
        )
    };
    Finding {
        next,
        ..finding(severity, "gitops", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marks_of_flux_and_argo_are_refused_with_the_commands_that_help() {
        for (metadata, word) in [
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "llama", "helm.toolkit.fluxcd.io/namespace": "flux"}}),
                "flux suspend helmrelease llama -n flux",
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "llama:apps/Deployment:ml/llama"}}),
                "argocd app set llama",
            ),
        ] {
            let owner = || owner(&json!({ "metadata": metadata })).unwrap();
            for unsuspended in [None, Some(false)] {
                let found = judge(owner(), unsuspended);
                assert_eq!((found.severity, found.subject.as_str()), (Severity::Refuse, "gitops"));
                assert!(found.next[0].contains(word), "{:?}", found.next);
            }
            assert_eq!(judge(owner(), Some(true)).severity, Severity::Warning);
        }
    }

    #[test]
    fn a_label_that_plain_charts_set_is_no_owner() {
        let live = json!({"metadata": {"labels": {"app.kubernetes.io/instance": "llama"}}});
        assert_eq!(owner(&live), None);
    }
}
