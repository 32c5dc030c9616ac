//! A release that a GitOps controller owns. The controller's kinds are minimal ones of the published names and versions.

use serde_json::{Value, json};
use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::helm::Major;

use crate::fixture::{CRASH, Model, RELEASE, SERVICE, assert_restored};
use crate::roles::user;

/// A namespaced kind whose spec may say anything.
fn crd(group: &str, version: &str, kind: &str) -> String {
    let singular = kind.to_lowercase();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{singular}s.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": format!("{singular}s"), "singular": singular},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }}}],
        },
    })
    .to_string()
}

/// A crashed model, and a controller's object with this spec.
fn owned_by(hint: &str, (group, version, kind): (&str, &str, &str), spec: &Value) -> Model {
    let model = Model::crashed(hint, Major::Four);
    let kubectl = model.namespace.kubectl();
    let namespace = &model.namespace.name;
    kubectl.apply(&crd(group, version, kind));
    let name = format!("crd/{}s.{group}", kind.to_lowercase());
    kubectl.run(&["wait", "--for=condition=Established", &name, "--timeout=60s"]);
    let object = json!({
        "apiVersion": format!("{group}/{version}"),
        "kind": kind,
        "metadata": {"name": RELEASE, "namespace": namespace},
        "spec": spec,
    });
    kubectl.apply(&object.to_string());
    model
}

/// A crashed model of Flux's helm-controller.
fn owned(hint: &str) -> Model {
    let kind = ("helm.toolkit.fluxcd.io", "v2", "HelmRelease");
    let model = owned_by(hint, kind, &json!({"suspend": false, "interval": "5m"}));
    mark(&model, "helm");
    model
}

/// Flux's labels, which name the object and its namespace.
fn mark(model: &Model, controller: &str) {
    let namespace = &model.namespace.name;
    let name = format!("{controller}.toolkit.fluxcd.io/name={RELEASE}");
    let place = format!("{controller}.toolkit.fluxcd.io/namespace={namespace}");
    let args = ["label", "deployment", SERVICE, "-n", namespace, &name, &place];
    model.namespace.kubectl().run(&args);
}

/// What the controller's object says.
fn spec(model: &Model, kind: &str) -> Value {
    let args = ["get", kind, RELEASE, "-n", &model.namespace.name];
    model.namespace.kubectl().json(&args).expect("it is there")["spec"].clone()
}

#[test]
fn it_is_refused_until_its_controller_is_suspended() {
    let model = owned("flux");
    let refused = model.rollback(&[]).expect_code(14).report();
    let suspend = format!("flux suspend helmrelease {RELEASE} -n {}", model.namespace.name);
    assert!(refused.next[0].contains(&suspend), "{:?}", refused.next);
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
    // What flux suspend does.
    let patch = r#"{"spec":{"suspend":true}}"#;
    model.namespace.patch("helmrelease", RELEASE, patch);
    let report = model.rollback(&[]).expect_code(0).report();
    assert_restored(&report, 1);
    assert!(
        report.next.iter().any(|step| step.contains("flux resume")),
        "{:?}",
        report.next
    );
    model.assert_serves(1);
}

#[test]
fn whoever_ignores_the_controller_says_so_and_is_told_what_follows() {
    let model = owned("fluxignored");
    let report = model.rollback(&["--gitops=ignore"]).expect_code(0).report();
    assert_eq!(report.outcome, StateName::Done);
    assert!(
        report.notes.iter().any(|note| note.contains("--gitops=ignore")),
        "{:?}",
        report.notes
    );
    model.assert_serves(1);
}

#[test]
fn a_run_that_may_suspend_the_controller_does_and_leaves_it_so() {
    let model = owned("fluxsuspend");
    let plan = model.tool().run(&["plan", RELEASE, "--gitops=suspend"]).expect_code(0);
    assert!(plan.stdout.contains("this run suspends it first"), "{}", plan.stdout);
    assert_eq!(spec(&model, "helmrelease")["suspend"], false, "a plan changes nothing");
    let report = model.rollback(&["--gitops=suspend"]).expect_code(0).report();
    assert_restored(&report, 1);
    assert_eq!(spec(&model, "helmrelease"), json!({"suspend": true, "interval": "5m"}));
    let resume = format!("flux resume helmrelease {RELEASE} -n {}", model.namespace.name);
    assert!(
        report.next.iter().any(|step| step.contains(&resume)),
        "{:?}",
        report.next
    );
    assert!(
        report.notes.iter().any(|note| note.contains("leaves it so")),
        "{:?}",
        report.notes
    );
    model.assert_serves(1);
}

#[test]
fn a_kustomization_is_suspended_as_well() {
    let kind = ("kustomize.toolkit.fluxcd.io", "v1", "Kustomization");
    let model = owned_by("kustomize", kind, &json!({"prune": true}));
    mark(&model, "kustomize");
    model.rollback(&[]).expect_code(14);
    assert_restored(&model.rollback(&["--gitops=suspend"]).expect_code(0).report(), 1);
    assert_eq!(spec(&model, "kustomization"), json!({"prune": true, "suspend": true}));
}

#[test]
fn argo_cds_automated_sync_is_taken_away_and_can_be_brought_back_as_it_was() {
    let policy = json!({"syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"]}});
    let model = owned_by("argo", ("argoproj.io", "v1alpha1", "Application"), &policy);
    let (kubectl, namespace) = (model.namespace.kubectl(), &model.namespace.name);
    // The form of an Application outside of Argo CD's own namespace.
    let id = format!("argocd.argoproj.io/tracking-id={namespace}_{RELEASE}:apps/Deployment:{namespace}/{SERVICE}");
    kubectl.run(&["annotate", "deployment", SERVICE, "-n", namespace, &id]);
    let refused = model.rollback(&[]).expect_code(14).report();
    assert!(refused.next[0].contains("argocd app set"), "{:?}", refused.next);
    let report = model.rollback(&["--gitops=suspend"]).expect_code(0).report();
    assert_restored(&report, 1);
    assert_eq!(
        spec(&model, "application"),
        json!({"syncPolicy": {"syncOptions": ["CreateNamespace=true"]}})
    );
    let command = report
        .next
        .iter()
        .find_map(|step| step.split_once("then kubectl patch "));
    let (_, command) = command.unwrap_or_else(|| panic!("{:?}", report.next));
    // Whoever looks later, from anywhere, is told how it was.
    model.upgrade(4, &[CRASH]);
    let plan = model.tool().elsewhere().run(&["plan", RELEASE]).expect_code(0);
    assert!(plan.stdout.contains("is suspended"), "{}", plan.stdout);
    let plan = model
        .tool()
        .elsewhere()
        .run(&["plan", RELEASE, "-o", "json"])
        .expect_code(0);
    let plan: Value = serde_json::from_str(&plan.stdout).expect("the plan is JSON");
    let next = plan["preflight"]["findings"].to_string();
    assert!(next.contains("then kubectl patch"), "{next}");
    let patch = command.split('\'').nth(1).expect("a patch in quotes");
    model.namespace.patch("application", RELEASE, patch);
    assert_eq!(spec(&model, "application"), policy);
}

#[test]
fn a_user_who_may_not_suspend_is_told_before_anything_changes() {
    let model = owned("fluxforbidden");
    let (_dir, kubeconfig) = user(&model.namespace, &["read", "run"]);
    let tool = model.tool().kubeconfig(&kubeconfig);
    let refused = tool.rollback(RELEASE, &["--gitops=suspend"]).expect_code(14).report();
    assert!(
        refused.next.iter().any(|step| step.contains("could not suspend it")),
        "{:?}",
        refused.next
    );
    assert_eq!(spec(&model, "helmrelease")["suspend"], false);
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
}

#[test]
fn the_documented_role_is_enough_to_suspend() {
    let model = owned("fluxrole");
    let (_dir, kubeconfig) = user(&model.namespace, &["read", "run", "gitops"]);
    let tool = model.tool().kubeconfig(&kubeconfig);
    let report = tool.rollback(RELEASE, &["--gitops=suspend"]).expect_code(0).report();
    assert_restored(&report, 1);
    assert_eq!(spec(&model, "helmrelease")["suspend"], true);
}

#[test]
fn a_suspension_that_git_would_undo_is_not_tried() {
    let model = owned("fluxasserted");
    let namespace = &model.namespace.name;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let object = json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2",
        "kind": "HelmRelease",
        "metadata": {"name": RELEASE, "namespace": namespace},
        "spec": {"suspend": false},
    });
    std::fs::write(file.path(), object.to_string()).expect("it is writable");
    let path = file.path().to_string_lossy().into_owned();
    model.namespace.kubectl().run(&[
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=kustomize-controller",
        "-f",
        &path,
    ]);
    let refused = model.rollback(&["--gitops=suspend"]).expect_code(14).report();
    assert!(
        refused.next.iter().any(|step| step.contains("suspend it in Git")),
        "{:?}",
        refused.next
    );
    assert_eq!(spec(&model, "helmrelease")["suspend"], false);
}
