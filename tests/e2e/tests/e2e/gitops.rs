//! A release that a GitOps controller owns. The controller's kinds are minimal ones of the published names and versions.

use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::helm::Major;

use crate::fixture::{Model, RELEASE, assert_restored};

/// Flux's HelmRelease, with the one field that is looked at.
const CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: helmreleases.helm.toolkit.fluxcd.io}
spec:
  group: helm.toolkit.fluxcd.io
  scope: Namespaced
  names: {kind: HelmRelease, listKind: HelmReleaseList, plural: helmreleases, singular: helmrelease}
  versions:
    - name: v2
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {suspend: {type: boolean}}}
"#;

/// A crashed model whose objects bear Flux's marks.
fn owned(hint: &str) -> Model {
    let model = Model::crashed(hint, Major::Four);
    let kubectl = model.namespace.kubectl();
    let name = model.namespace.name.clone();
    kubectl.apply(CRD);
    kubectl.run(&[
        "wait",
        "--for=condition=Established",
        "crd/helmreleases.helm.toolkit.fluxcd.io",
        "--timeout=60s",
    ]);
    kubectl.apply(&format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: {RELEASE}, namespace: {name}}}\nspec: {{suspend: false}}\n"
    ));
    let marks = [
        format!("helm.toolkit.fluxcd.io/name={RELEASE}"),
        format!("helm.toolkit.fluxcd.io/namespace={name}"),
    ];
    kubectl.run(&[
        "label",
        "deployment",
        "llama-vllm-deployment",
        "-n",
        &name,
        &marks[0],
        &marks[1],
    ]);
    model
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
    model.namespace.kubectl().run(&[
        "patch",
        "helmrelease",
        RELEASE,
        "-n",
        &model.namespace.name,
        "--type=merge",
        "-p",
        patch,
    ]);
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
