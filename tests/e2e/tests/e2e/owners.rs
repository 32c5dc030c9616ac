//! Others who write the release's objects: autoscalers, disruption budgets, tools that are known by their field managers.

use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::wait;

use crate::fixture::{CRASH, Model, RELEASE, SERVICE, assert_restored};
use crate::on_both_helms;

/// KEDA's ScaledObject, with the one field that matters here.
const SCALED_OBJECTS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: scaledobjects.keda.sh}
spec:
  group: keda.sh
  scope: Namespaced
  names: {kind: ScaledObject, listKind: ScaledObjectList, plural: scaledobjects, singular: scaledobject}
  versions:
    - name: v1alpha1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              x-kubernetes-preserve-unknown-fields: true
              properties: {minReplicaCount: {type: integer}}
"#;

fn autoscaler(name: &str, namespace: &str, owner: &str) -> String {
    format!(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: {name}, namespace: {namespace}, ownerReferences: [{owner}]}}\n\
         spec:\n  minReplicas: 1\n  maxReplicas: 4\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {SERVICE}}}\n  \
         metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 80}}}}}}]\n"
    )
}

/// A crashed model that was scaled to three pods; none of them needs a GPU.
fn scaled(hint: &str, major: Major) -> Model {
    let model = Model::good_with(hint, major, &["gpus=0"]);
    model.upgrade(2, &[CRASH, "gpus=0"]);
    model.namespace.kubectl().run(&[
        "scale",
        "deployment",
        SERVICE,
        "--replicas=3",
        "-n",
        &model.namespace.name,
    ]);
    model
}

fn replicas(model: &Model) -> String {
    let namespace = &model.namespace.name;
    let path = "jsonpath={.spec.replicas}";
    let args = ["get", "deployment", SERVICE, "-n", namespace, "-o", path];
    model.namespace.kubectl().run(&args)
}

on_both_helms!(replicas_of_an_autoscaler_are_kept_or_the_run_does_not_start, |major| {
    let model = scaled("hpa", major);
    let (kubectl, namespace) = (model.namespace.kubectl(), &model.namespace.name);
    kubectl.apply(&autoscaler("llama", namespace, ""));
    let refused = model.rollback(&[]).expect_code(1).report();
    assert_eq!(refused.outcome, StateName::Unchanged);
    let keep = r#"kubectl patch hpa llama -p '{"spec":{"minReplicas":3}}'"#;
    assert!(refused.next[0].contains(keep), "{:?}", refused.next);
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
    assert_eq!(replicas(&model), "3");
    // As it says.
    let patch = r#"{"spec":{"minReplicas":3}}"#;
    kubectl.run(&["patch", "hpa", "llama", "-n", namespace, "-p", patch]);
    assert_restored(&model.rollback(&[]).expect_code(0).report(), 1);
    model.assert_serves(1);
    wait::until("three replicas", std::time::Duration::from_secs(60), || {
        (replicas(&model) == "3").then_some(())
    });
});

#[test]
fn replicas_of_keda_are_kept_where_keda_reads_the_number() {
    let model = scaled("keda", Major::Four);
    let (kubectl, namespace) = (model.namespace.kubectl(), &model.namespace.name);
    kubectl.apply(SCALED_OBJECTS);
    kubectl.run(&[
        "wait",
        "--for=condition=Established",
        "crd/scaledobjects.keda.sh",
        "--timeout=60s",
    ]);
    kubectl.apply(&format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: llama, namespace: {namespace}}}\nspec: {{minReplicaCount: 1}}\n"
    ));
    let uid = kubectl.run(&[
        "get",
        "scaledobject",
        "llama",
        "-n",
        namespace,
        "-o",
        "jsonpath={.metadata.uid}",
    ]);
    let owner =
        format!("{{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: llama, uid: {uid}, controller: true}}");
    kubectl.apply(&autoscaler("keda-hpa-llama", namespace, &owner));
    let refused = model.rollback(&[]).expect_code(1).report();
    assert!(
        refused.next[0].contains("kubectl patch scaledobject llama")
            && refused.next[0].contains(r#""minReplicaCount":3"#),
        "{:?}",
        refused.next
    );
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
    let report = model.rollback(&["--accept-fewer-replicas"]).expect_code(0).report();
    assert_restored(&report, 1);
    model.assert_serves(1);
}

#[test]
fn a_disruption_budget_does_not_hold_a_rollback_back() {
    let model = Model::crashed("pdb", Major::Four);
    let namespace = &model.namespace.name;
    let labels = model.namespace.kubectl().run(&[
        "get",
        "deployment",
        SERVICE,
        "-n",
        namespace,
        "-o",
        "jsonpath={.spec.selector}",
    ]);
    model.namespace.kubectl().apply(&format!(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: llama, namespace: {namespace}}}\n\
         spec: {{minAvailable: 100%, selector: {labels}}}\n"
    ));
    assert_restored(&model.rollback(&[]).expect_code(0).report(), 1);
    model.assert_serves(1);
}

#[test]
fn terraform_is_named_since_its_next_apply_brings_the_bad_version_back() {
    let model = Model::crashed("terraform", Major::Four);
    model.namespace.kubectl().run(&[
        "annotate",
        "deployment",
        SERVICE,
        "example.com/by=terraform",
        "--field-manager=terraform-provider-helm_v3.0.2_x5",
        "-n",
        &model.namespace.name,
    ]);
    let plan = model.tool().run(&["plan", RELEASE]).expect_code(0);
    assert!(plan.stdout.contains("Terraform writes the release"), "{}", plan.stdout);
    assert!(plan.stdout.contains("before the next apply"), "{}", plan.stdout);
}
