//! GitOps controllers that own a release: by whose marks they are known, whether they are suspended, and suspending them.
//!
//! Flux writes labels on all it renders, Argo CD an annotation. What suspends them is one field of their own object, and
//! a foreign `helm rollback` that they see lasts until their next reconcile.

use serde_json::{Value, json};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::workload::GitOpsOwner;

use crate::api::{ApiError, Resource};
use crate::connect::Cluster;
use crate::pods::{self, text};

/// The run that suspended the object.
const SUSPENDED_BY: &str = "rollback.vllm/suspended-by";
/// A merge patch that brings back what the suspension took away.
const RESTORE: &str = "rollback.vllm/restore";
/// Namespace where Argo CD keeps its Applications, unless told otherwise.
const ARGO_NAMESPACE: &str = "argocd";

/// Controller of an object, by the marks on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControllerMark {
    /// `Flux's HelmRelease flux-system/llama`.
    what: String,
    /// Path at which the API serves the controller's object.
    path: String,
    /// Command that suspends it.
    pub(crate) suspend_command: String,
    /// Command that lets it go on.
    go_on: String,
    /// Argo CD's Application; none for Flux.
    application: Option<String>,
}

/// Kinds of objects by which Flux owns others: the kind, its group, which is the domain of the labels too, its version.
const FLUX_KINDS: [(&str, &str, &str); 2] = [
    ("HelmRelease", "helm.toolkit.fluxcd.io", "v2"),
    ("Kustomization", "kustomize.toolkit.fluxcd.io", "v1"),
];

/// The marks on an object.
pub(crate) fn mark(object: &Value) -> Option<ControllerMark> {
    let metadata = &object["metadata"];
    let label = |key: &str| metadata["labels"][key].as_str();
    for (kind, group, version) in FLUX_KINDS {
        if let Some(name) = label(&format!("{group}/name")) {
            let namespace = label(&format!("{group}/namespace")).unwrap_or_default();
            let word = kind.to_lowercase();
            return Some(ControllerMark {
                what: format!("Flux's {kind} {namespace}/{name}"),
                path: Resource::new(group, version, &format!("{word}s")).object(namespace, name),
                suspend_command: format!("flux suspend {word} {name} -n {namespace}"),
                go_on: format!("flux resume {word} {name} -n {namespace}"),
                application: None,
            });
        }
    }
    // "app:group/Kind:namespace/name"; app.kubernetes.io/instance alone is set by plain charts too.
    let application = metadata["annotations"]["argocd.argoproj.io/tracking-id"]
        .as_str()
        .and_then(|id| id.split(':').next())
        .or_else(|| label("argocd.argoproj.io/instance"))?;
    // "NAMESPACE_NAME" for Applications outside of Argo CD's own namespace; neither may have a "_" itself.
    let (namespace, name) = application.split_once('_').unwrap_or((ARGO_NAMESPACE, application));
    Some(ControllerMark {
        what: format!("Argo CD's Application {application}"),
        path: applications().object(namespace, name),
        suspend_command: format!("argocd app set {application} --sync-policy none"),
        go_on: format!("argocd app sync {application}"),
        application: Some(application.to_owned()),
    })
}

impl ControllerMark {
    /// The controller's object as it is now.
    pub(crate) async fn owner(&self, cluster: &Cluster) -> GitOpsOwner {
        match self.read(cluster).await {
            Ok(Some((path, object))) => self.owner_of(path, &object),
            Ok(None) => self.unread("it does not exist there".to_owned()),
            Err(error) => self.unread(format!("it cannot be read: {}", error.text())),
        }
    }

    async fn read(&self, cluster: &Cluster) -> Result<Option<(String, Value)>, ApiError> {
        let api = cluster.api();
        if let Some(object) = api.find(&self.path).await? {
            return Ok(Some((self.path.clone(), object)));
        }
        let Some(application) = &self.application else {
            return Ok(None);
        };
        // An Argo CD that lives in another namespace: whoever may not list them all is told that it was not found.
        let all = api
            .list(&applications().collection(None), &[])
            .await
            .unwrap_or_default();
        let found = all.items.into_iter().find(|object| pods::name(object) == application);
        Ok(found.map(|object| {
            let namespace = text(&object["metadata"]["namespace"]);
            (applications().object(namespace, application), object)
        }))
    }

    fn owner_of(&self, path: String, object: &Value) -> GitOpsOwner {
        let (metadata, spec) = (&object["metadata"], &object["spec"]);
        let (stop, restore, is_suspended) = if self.application.is_none() {
            (
                json!({"spec": {"suspend": true}}),
                json!({"spec": {"suspend": spec["suspend"]}}),
                spec["suspend"] == true,
            )
        } else {
            let automated = &spec["syncPolicy"]["automated"];
            (
                json!({"spec": {"syncPolicy": {"automated": null}}}),
                json!({"spec": {"syncPolicy": {"automated": automated}}}),
                automated.is_null() || automated["enabled"] == false,
            )
        };
        let asserted_by = self.application.is_none().then(|| asserted_by(object)).flatten();
        // Whoever suspended it by this tool is told what was there.
        let kept = metadata["annotations"][RESTORE].as_str().map(str::to_owned);
        let back = if is_suspended { kept } else { Some(restore.to_string()) };
        GitOpsOwner {
            what: self.what.clone(),
            path,
            is_suspended: Some(is_suspended),
            go_on: match (&self.application, back) {
                // Argo CD's own command does not know what the policy was.
                (Some(_), Some(restore)) => format!(
                    "kubectl patch applications.argoproj.io {} -n {} --type=merge -p '{restore}'",
                    pods::name(object),
                    text(&metadata["namespace"])
                ),
                _ => self.go_on.clone(),
            },
            stop,
            restore,
            hindrance: asserted_by
                .map(|manager| format!("{manager} applies spec.suspend from Git and would undo it: suspend it in Git")),
        }
    }

    fn unread(&self, why: String) -> GitOpsOwner {
        GitOpsOwner {
            what: self.what.clone(),
            path: self.path.clone(),
            is_suspended: None,
            go_on: self.go_on.clone(),
            stop: Value::Null,
            restore: Value::Null,
            hindrance: Some(why),
        }
    }
}

fn applications() -> Resource {
    Resource::new("argoproj.io", "v1alpha1", "applications")
}

/// Applier of `spec.suspend` from Git, by the field's owner. What was changed otherwise stays.
fn asserted_by(object: &Value) -> Option<&str> {
    let fields = object["metadata"]["managedFields"].as_array()?;
    let asserts =
        |entry: &&Value| entry["operation"] == "Apply" && entry["fieldsV1"]["f:spec"].get("f:suspend").is_some();
    fields.iter().find(asserts)?["manager"].as_str()
}

/// Suspends the controller, and reads that it is. Nothing is written when it is suspended already.
///
/// # Errors
/// `Conflict` when the object is no longer as the plan saw it; `Forbidden`, `Unreachable`.
pub(crate) async fn suspend(cluster: &Cluster, owner: &GitOpsOwner, run_id: &str) -> Result<Vec<String>, Failure> {
    let cannot = |error: ApiError| error.into_failure(format!("cannot suspend {}", owner.what));
    let seen = |object: &Value| {
        let evidence = || vec![format!("{} is suspended: {}", owner.what, owner.stop["spec"])];
        says(object, &owner.stop).then(evidence)
    };
    let api = cluster.api();
    // Several times, since the controller writes its status at any time.
    for _ in 0..3 {
        let object = api.get(&owner.path).await.map_err(cannot)?;
        if let Some(evidence) = seen(&object) {
            return Ok(evidence);
        }
        if !says(&object, &owner.restore) {
            let what = format!("{} has changed since the plan", owner.what);
            return Err(Failure::conflict(what));
        }
        let mut patch = owner.stop.clone();
        patch["metadata"] = json!({
            "resourceVersion": object["metadata"]["resourceVersion"],
            "annotations": { SUSPENDED_BY: run_id, RESTORE: owner.restore.to_string() },
        });
        let written = api.patch(&owner.path, &patch).await;
        match &written {
            Err(error) if error.is_conflict() => continue,
            Err(error) if !error.is_transient() => return Err(cannot(error.clone())),
            // It may have happened although the answer did not arrive: look.
            _ => {}
        }
        if let Some(evidence) = seen(&api.get(&owner.path).await.map_err(cannot)?) {
            return Ok(evidence);
        }
        written.map_err(cannot)?;
    }
    let again = "was suspended, but somebody lets it go on again and again";
    Err(Failure::conflict(format!("{} {again}", owner.what)))
}

/// Tells whether an object says already what a merge patch would make it say.
fn says(object: &Value, patch: &Value) -> bool {
    match patch {
        Value::Object(fields) => fields.iter().all(|(key, wanted)| says(&object[key.as_str()], wanted)),
        wanted => object == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_plain_charts_set_is_no_owner() {
        let live = json!({"metadata": {"labels": {"app.kubernetes.io/instance": "llama"}}});
        assert_eq!(mark(&live), None);
    }

    #[test]
    fn an_argo_policy_can_be_brought_back_as_it_was() {
        let mark = mark(&json!({"metadata": {"labels": {"argocd.argoproj.io/instance": "llama"}}})).unwrap();
        let mut object = json!({"metadata": {"name": "llama", "namespace": "argocd"},
            "spec": {"syncPolicy": {"automated": {"selfHeal": true}, "retry": {"limit": 2}}}});
        let owner = mark.owner_of("/p".into(), &object);
        assert_eq!(owner.is_suspended, Some(false));
        assert!(
            owner.go_on.contains(r#"{"automated":{"selfHeal":true}}"#),
            "{}",
            owner.go_on
        );
        object["spec"]["syncPolicy"]["automated"] = Value::Null;
        object["metadata"]["annotations"] = json!({ RESTORE: owner.restore.to_string() });
        let after = mark.owner_of("/p".into(), &object);
        assert_eq!((after.is_suspended, after.go_on), (Some(true), owner.go_on));
    }

    #[test]
    fn a_suspension_that_git_itself_would_undo_is_named() {
        let labels = json!({"helm.toolkit.fluxcd.io/name": "llama", "helm.toolkit.fluxcd.io/namespace": "ml"});
        let mark = mark(&json!({"metadata": {"labels": labels}})).unwrap();
        let object = json!({"spec": {"suspend": false}, "metadata": {"managedFields": [
            {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": {"f:spec": {"f:suspend": {}}}}]}});
        let hindrance = mark.owner_of("/p".into(), &object).hindrance.unwrap();
        assert!(hindrance.contains("kustomize-controller"), "{hindrance}");
    }

    #[test]
    fn an_object_says_what_a_patch_wants_when_the_patch_would_change_nothing() {
        let object = json!({"spec": {"suspend": true, "interval": "5m"}});
        assert!(says(&object, &json!({"spec": {"suspend": true}})));
        assert!(says(&object, &json!({"spec": {"syncPolicy": {"automated": null}}})));
        assert!(!says(&object, &json!({"spec": {"suspend": false}})));
    }
}
