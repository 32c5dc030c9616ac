//! Who else writes the release: GitOps controllers that would undo a rollback.

use serde_json::Value;
use vllm_rollback_engine::workload::{Finding, Severity};

use super::finding;
use crate::manifest::Manifest;

/// Findings from the labels and annotations of the manifest, and of the live objects.
pub(super) fn look<'a>(manifest: &'a Manifest, live: impl Iterator<Item = &'a Value>) -> Vec<Finding> {
    let written = manifest.objects.iter().map(|object| &object.json);
    let owner = written.chain(live).find_map(owner);
    match owner {
        Some(owner) => vec![refuse(owner)],
        None => vec![finding(
            Severity::Ok,
            "gitops",
            "no Flux or Argo CD marks on the release's objects",
        )],
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

fn refuse(owner: Owner) -> Finding {
    let (text, next) = match owner {
        Owner::Flux { name, namespace } => (
            format!(
                "Flux's HelmRelease {namespace}/{name} owns the release and would put the bad version back at its next reconcile"
            ),
            vec![
                format!("flux suspend helmrelease {name} -n {namespace}, then run this again"),
                format!("revert the commit in Git, then flux resume helmrelease {name} -n {namespace}"),
            ],
        ),
        Owner::FluxKustomize { name, namespace } => (
            format!(
                "Flux's Kustomization {namespace}/{name} owns the release's objects and would put the bad version back"
            ),
            vec![
                format!("flux suspend kustomization {name} -n {namespace}, then run this again"),
                format!("revert the commit in Git, then flux resume kustomization {name} -n {namespace}"),
            ],
        ),
        Owner::ArgoCd { application } => (
            format!("Argo CD's Application {application} owns the release and would undo a rollback"),
            vec![
                format!("argocd app set {application} --sync-policy none, then run this again"),
                format!("or revert the commit in Git and run: argocd app sync {application}"),
            ],
        ),
    };
    Finding {
        next,
        ..finding(Severity::Refuse, "gitops", text)
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
            let live = json!({ "metadata": metadata });
            let found = look(&Manifest::default(), [&live].into_iter());
            assert_eq!(
                (found[0].severity, found[0].subject.as_str()),
                (Severity::Refuse, "gitops")
            );
            assert!(found[0].next[0].contains(word), "{:?}", found[0].next);
        }
    }

    #[test]
    fn a_label_that_plain_charts_set_is_no_owner() {
        let live = json!({"metadata": {"labels": {"app.kubernetes.io/instance": "llama"}}});
        assert_eq!(
            look(&Manifest::default(), [&live].into_iter())[0].severity,
            Severity::Ok
        );
    }
}
