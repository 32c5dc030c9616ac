//! Who else writes the release, and would undo a rollback: GitOps controllers at once, others when they are run again.

use serde_json::Value;
use vllm_rollback_engine::workload::{Finding, GitOpsOwner};
use vllm_rollback_objects::manifest::Manifest;

use super::access;
use crate::connect::Cluster;
use crate::gitops::{self, ControllerMark};
use crate::pods::list;

/// Field managers of tools that write what their own configuration says whenever they are run.
const TOOLS: [(&str, &str); 3] = [
    ("terraform", "Terraform"),
    ("hashicorp", "Terraform"),
    ("pulumi", "Pulumi"),
];

/// Findings from the marks on the manifest's objects and the live ones, and from the controller's own object.
pub(super) async fn inspect(
    cluster: &Cluster,
    manifest: &Manifest,
    live: &[&Value],
) -> (Vec<Finding>, Option<GitOpsOwner>) {
    let mut found = tools(live);
    let written = manifest.objects.iter().map(|object| &object.json);
    let Some(mark) = written.chain(live.iter().copied()).find_map(gitops::mark) else {
        let text = "no Flux or Argo CD marks on the release's objects";
        found.insert(0, Finding::ok("gitops", text));
        return (found, None);
    };
    let mut owner = mark.owner(cluster).await;
    if owner.hindrance.is_none() && access::may_patch(cluster, &owner.path).await == Some(false) {
        owner.hindrance = Some("this user may not patch it".to_owned());
    }
    found.insert(0, evaluate(&mark, &owner));
    (found, Some(owner))
}

fn evaluate(mark: &ControllerMark, owner: &GitOpsOwner) -> Finding {
    let GitOpsOwner { what, go_on, .. } = owner;
    if owner.is_suspended == Some(true) {
        let text = format!("{what} owns the release and is suspended; it puts the bad version back once it goes on");
        return Finding::warning("gitops", text).next(owner.post_run_notes());
    }
    let by_the_run = match &owner.hindrance {
        None => "or let the run suspend it: --gitops=suspend".to_owned(),
        Some(why) => format!("the run itself could not suspend it ({why})"),
    };
    let text = format!("{what} owns the release and would put the bad version back at its next reconcile");
    Finding::refuse("gitops", text)
        .next(format!("{}, then run this again", mark.suspend_command))
        .next(by_the_run)
        .next(format!("revert the commit in Git, then {go_on}"))
        .next("or go on in spite of it: --gitops=ignore")
}

/// Tools that are known by their field managers alone. Helmfile is not among them: it runs helm.
fn tools(live: &[&Value]) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for object in live {
        let entries = list(&object["metadata"]["managedFields"]).iter();
        for manager in entries.filter_map(|entry| entry["manager"].as_str()) {
            let is_of = |(mark, _): &&(&str, &str)| manager.to_ascii_lowercase().contains(mark);
            let Some((_, tool)) = TOOLS.iter().find(is_of) else {
                continue;
            };
            let text = format!(
                "{tool} writes the release (field manager {manager}): it puts the bad version back when it is applied again"
            );
            let one = Finding::warning("owner", text).next(format!(
                "afterwards: put the good version into {tool}'s configuration before the next apply"
            ));
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use vllm_rollback_engine::workload::Severity;

    fn owner(is_suspended: Option<bool>, hindrance: Option<&str>) -> GitOpsOwner {
        GitOpsOwner {
            what: "Flux's HelmRelease flux/llama".into(),
            path: "/p".into(),
            is_suspended,
            stop: Value::Null,
            restore: Value::Null,
            hindrance: hindrance.map(str::to_owned),
            go_on: "flux resume helmrelease llama -n flux".into(),
        }
    }

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
            let mark = gitops::mark(&json!({ "metadata": metadata })).unwrap();
            for unsuspended in [None, Some(false)] {
                let found = evaluate(&mark, &owner(unsuspended, None));
                assert_eq!((found.severity, found.subject.as_str()), (Severity::Refuse, "gitops"));
                assert!(found.next[0].contains(word), "{:?}", found.next);
            }
            assert_eq!(evaluate(&mark, &owner(Some(true), None)).severity, Severity::Warning);
            let found = evaluate(&mark, &owner(Some(false), Some("this user may not patch it")));
            assert!(found.next[1].contains("may not patch"), "{:?}", found.next);
        }
    }

    #[test]
    fn terraform_is_named_by_its_field_manager() {
        let managed = |manager: &str| json!({"metadata": {"managedFields": [{"manager": manager}]}});
        let found = tools(&[&managed("terraform-provider-helm_v3.0.2")]);
        assert!(found[0].message.contains("Terraform"), "{found:?}");
        assert!(tools(&[&managed("helm"), &managed("kubectl-edit")]).is_empty());
    }
}
