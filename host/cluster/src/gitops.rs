//! GitOps controllers that own a release: by whose marks they are known, whether they are suspended, and suspending them.
//!
//! Flux writes labels on all it renders, Argo CD an annotation. What suspends them is one field of their own object, and
//! a foreign `helm rollback` that they see lasts until their next reconcile.

use serde_json::{Value, json};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::workload::GitOpsOwner;

use crate::api::{ApiError, Resource};
use crate::connect::Cluster;

/// The run that suspended the object.
const SUSPENDED_BY: &str = "rollback.vllm/suspended-by";
/// A merge patch that brings back what the suspension took away.
const RESTORE: &str = "rollback.vllm/restore";
/// Namespace where Argo CD keeps its Applications, unless told otherwise.
const ARGO_NAMESPACE: &str = "argocd";

/// Controller of an object, by the marks on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ControllerMark {
    Flux { name: String, namespace: String },
    FluxKustomize { name: String, namespace: String },
    ArgoCd { application: String },
}

/// The marks on an object.
pub(crate) fn mark(object: &Value) -> Option<ControllerMark> {
    let metadata = &object["metadata"];
    let label = |key: &str| metadata["labels"][key].as_str().map(str::to_owned);
    let annotation = |key: &str| metadata["annotations"][key].as_str().map(str::to_owned);
    if let Some(name) = label("helm.toolkit.fluxcd.io/name") {
        let namespace = label("helm.toolkit.fluxcd.io/namespace").unwrap_or_default();
        return Some(ControllerMark::Flux { name, namespace });
    }
    if let Some(name) = label("kustomize.toolkit.fluxcd.io/name") {
        let namespace = label("kustomize.toolkit.fluxcd.io/namespace").unwrap_or_default();
        return Some(ControllerMark::FluxKustomize { name, namespace });
    }
    // "app:group/Kind:namespace/name"; app.kubernetes.io/instance alone is set by plain charts too.
    let application = annotation("argocd.argoproj.io/tracking-id")
        .and_then(|id| id.split(':').next().map(str::to_owned))
        .or_else(|| label("argocd.argoproj.io/instance"))?;
    Some(ControllerMark::ArgoCd { application })
}

impl ControllerMark {
    /// The controller's object as it is now.
    pub(crate) async fn owner(&self, cluster: &Cluster) -> GitOpsOwner {
        let (resource, namespace, name) = self.place();
        let path = resource.object(&namespace, &name);
        match self.read(cluster, &path).await {
            Ok(Some((path, object))) => self.owner_of(&path, &object),
            Ok(None) => self.unread(path, "it does not exist there".to_owned()),
            Err(error) => self.unread(path, format!("it cannot be read: {}", error.text())),
        }
    }

    fn place(&self) -> (Resource, String, String) {
        match self {
            Self::Flux { name, namespace } => {
                let resource = Resource::new("helm.toolkit.fluxcd.io", "v2", "helmreleases");
                (resource, namespace.clone(), name.clone())
            }
            Self::FluxKustomize { name, namespace } => {
                let resource = Resource::new("kustomize.toolkit.fluxcd.io", "v1", "kustomizations");
                (resource, namespace.clone(), name.clone())
            }
            // "NAMESPACE_NAME" for Applications outside of Argo CD's own namespace; neither may have a "_" itself.
            Self::ArgoCd { application } => {
                let (namespace, name) = application.split_once('_').unwrap_or((ARGO_NAMESPACE, application));
                (applications(), namespace.to_owned(), name.to_owned())
            }
        }
    }

    async fn read(&self, cluster: &Cluster, path: &str) -> Result<Option<(String, Value)>, ApiError> {
        let api = cluster.api();
        let found = api.find(path).await?.map(|object| (path.to_owned(), object));
        let Self::ArgoCd { application } = self else {
            return Ok(found);
        };
        if found.is_some() {
            return Ok(found);
        }
        // An Argo CD that lives in another namespace: whoever may not list them all is told that it was not found.
        let Ok(all) = api.list(&applications().collection(None), &[]).await else {
            return Ok(None);
        };
        let text = |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let found = all
            .items
            .into_iter()
            .find(|object| text(object, "name") == *application);
        Ok(found.map(|object| {
            let path = applications().object(&text(&object, "namespace"), application);
            (path, object)
        }))
    }

    fn owner_of(&self, path: &str, object: &Value) -> GitOpsOwner {
        let spec = &object["spec"];
        let (stop, restore, is_suspended) = match self {
            Self::Flux { .. } | Self::FluxKustomize { .. } => (
                json!({"spec": {"suspend": true}}),
                json!({"spec": {"suspend": spec["suspend"]}}),
                spec["suspend"] == true,
            ),
            Self::ArgoCd { .. } => {
                let automated = &spec["syncPolicy"]["automated"];
                (
                    json!({"spec": {"syncPolicy": {"automated": null}}}),
                    json!({"spec": {"syncPolicy": {"automated": automated}}}),
                    automated.is_null() || automated["enabled"] == false,
                )
            }
        };
        let hindrance = match self {
            Self::Flux { .. } | Self::FluxKustomize { .. } => asserted_by(object)
                .map(|manager| format!("{manager} applies spec.suspend from Git and would undo it: suspend it in Git")),
            Self::ArgoCd { .. } => None,
        };
        // Whoever suspended it by this tool is told what was there.
        let kept = object["metadata"]["annotations"][RESTORE].as_str();
        let back = match (is_suspended, kept) {
            (false, _) => Some(restore.to_string()),
            (true, kept) => kept.map(str::to_owned),
        };
        GitOpsOwner {
            what: self.what(),
            path: path.to_owned(),
            is_suspended: Some(is_suspended),
            go_on: self.go_on(object, back.as_deref()),
            stop,
            restore,
            hindrance,
        }
    }

    fn unread(&self, path: String, why: String) -> GitOpsOwner {
        GitOpsOwner {
            what: self.what(),
            path,
            is_suspended: None,
            go_on: self.go_on(&Value::Null, None),
            stop: Value::Null,
            restore: Value::Null,
            hindrance: Some(why),
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Flux { name, namespace } => format!("Flux's HelmRelease {namespace}/{name}"),
            Self::FluxKustomize { name, namespace } => format!("Flux's Kustomization {namespace}/{name}"),
            Self::ArgoCd { application } => format!("Argo CD's Application {application}"),
        }
    }

    /// Command that suspends it.
    pub(crate) fn suspend_command(&self) -> String {
        match self {
            Self::Flux { name, namespace } => format!("flux suspend helmrelease {name} -n {namespace}"),
            Self::FluxKustomize { name, namespace } => format!("flux suspend kustomization {name} -n {namespace}"),
            Self::ArgoCd { application } => format!("argocd app set {application} --sync-policy none"),
        }
    }

    /// Command that lets it go on. Argo CD's own command does not know what the policy was.
    fn go_on(&self, object: &Value, restore: Option<&str>) -> String {
        match (self, restore) {
            (Self::Flux { name, namespace }, _) => format!("flux resume helmrelease {name} -n {namespace}"),
            (Self::FluxKustomize { name, namespace }, _) => format!("flux resume kustomization {name} -n {namespace}"),
            (Self::ArgoCd { .. }, Some(restore)) => {
                let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
                format!(
                    "kubectl patch applications.argoproj.io {} -n {} --type=merge -p '{restore}'",
                    text("name"),
                    text("namespace")
                )
            }
            (Self::ArgoCd { application }, None) => format!("argocd app sync {application}"),
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
        let says = says(object, &owner.stop);
        says.then(|| vec![format!("{} is suspended: {}", owner.what, owner.stop["spec"])])
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
        match api.patch(&owner.path, &patch).await {
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_transient() => {
                // It may have happened although the answer did not arrive: look.
                let object = api.get(&owner.path).await.map_err(cannot)?;
                return seen(&object).ok_or_else(|| cannot(error));
            }
            Err(error) => return Err(cannot(error)),
            Ok(_) => {
                let object = api.get(&owner.path).await.map_err(cannot)?;
                if let Some(evidence) = seen(&object) {
                    return Ok(evidence);
                }
            }
        }
    }
    let what = format!(
        "{} was suspended, but somebody lets it go on again and again",
        owner.what
    );
    Err(Failure::conflict(what))
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
        let mark = ControllerMark::ArgoCd {
            application: "llama".into(),
        };
        let mut object = json!({"metadata": {"name": "llama", "namespace": "argocd"},
            "spec": {"syncPolicy": {"automated": {"selfHeal": true}, "retry": {"limit": 2}}}});
        let owner = mark.owner_of("/p", &object);
        assert_eq!(owner.is_suspended, Some(false));
        assert!(
            owner.go_on.contains(r#"{"automated":{"selfHeal":true}}"#),
            "{}",
            owner.go_on
        );
        object["spec"]["syncPolicy"]["automated"] = Value::Null;
        object["metadata"]["annotations"] = json!({ RESTORE: owner.restore.to_string() });
        let after = mark.owner_of("/p", &object);
        assert_eq!((after.is_suspended, after.go_on), (Some(true), owner.go_on));
    }

    #[test]
    fn a_suspension_that_git_itself_would_undo_is_named() {
        let mark = ControllerMark::Flux {
            name: "llama".into(),
            namespace: "ml".into(),
        };
        let object = json!({"spec": {"suspend": false}, "metadata": {"managedFields": [
            {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": {"f:spec": {"f:suspend": {}}}}]}});
        let hindrance = mark.owner_of("/p", &object).hindrance.unwrap();
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
