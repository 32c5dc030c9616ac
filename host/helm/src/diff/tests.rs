use proptest::prelude::*;
use serde_json::json;
use vllm_rollback_engine::release::{ApplyMethod, ReleaseRef, ReleaseStatus, Revision};

use vllm_rollback_engine::failure::FailureKind;

use super::*;

pub(super) fn record(revision: u32, manifest: &str) -> ReleaseRecord {
    ReleaseRecord {
        release: ReleaseRef {
            namespace: "ml".into(),
            name: "llama".into(),
        },
        revision: Revision(revision),
        status: ReleaseStatus::Deployed,
        description: String::new(),
        rolled_back_to: None,
        last_deployed: None,
        chart: "vllm".into(),
        chart_version: "1.0.0".into(),
        app_version: None,
        apply_method: ApplyMethod::ClientSide,
        manifest: manifest.into(),
        manifest_sha256: String::new(),
        hooks: Vec::new(),
    }
}

const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n";

fn secret(value: &str) -> String {
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: k}}\nstringData: {{token: {value}}}\n")
}

#[test]
fn each_object_is_created_modified_deleted_or_kept() {
    let config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: 'x'}\n";
    let kept = "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: p\n  annotations: \
        {helm.sh/resource-policy: keep}\n";
    let gone = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n";
    let current = record(4, &format!("{SERVICE}{}{gone}{kept}", secret("old")));
    let target = record(2, &format!("{SERVICE}{}{config}", secret("new")));
    let found: Vec<_> = diff(&current, &target, &[])
        .unwrap()
        .into_iter()
        .map(|d| (d.object, d.change))
        .collect();
    let wanted = [
        ("Service/s", ObjectChange::Keep),
        ("Secret/k", ObjectChange::Modify),
        ("ConfigMap/c", ObjectChange::Create),
        ("ServiceAccount/a", ObjectChange::Delete),
        ("PersistentVolumeClaim/p", ObjectChange::Keep),
    ];
    assert_eq!(found, wanted.map(|(object, change)| (object.to_owned(), change)));
}

#[test]
fn a_changed_secret_is_seen_without_its_value() {
    let (old, new) = (record(4, &secret("hunter1")), record(2, &secret("hunter2")));
    let text = diff(&old, &new, &[]).unwrap().remove(0).manifest_diff;
    assert!(
        text.contains("--- revision 4") && text.contains("+++ revision 2"),
        "{text}"
    );
    assert!(text.contains("-  token: ") && text.contains("+  token: "), "{text}");
    assert!(text.contains("redacted sha256:") && !text.contains("hunter"), "{text}");
}

#[test]
fn an_object_that_moves_to_another_version_of_its_group_is_modified() {
    let at = |version: &str| {
        format!("apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: h}}\n")
    };
    let found = diff(&record(2, &at("v2")), &record(1, &at("v1")), &[]).unwrap();
    assert_eq!((found.len(), found[0].change), (1, ObjectChange::Modify));
}

#[test]
fn a_manifest_that_is_no_yaml_names_its_revision() {
    let failure = diff(&record(4, "a: [\n"), &record(2, ""), &[]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(failure.to_string().contains("revision 4 of ml/llama"), "{failure}");
}

fn deployment(replicas: u32, container: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": replicas,
        "template": {"spec": {"containers": [container]}}}})
}

#[test]
fn drift_names_changed_added_and_removed_fields_by_path() {
    let manifest = deployment(
        1,
        &json!({"name": "vllm", "image": "v:1", "args": ["--port", "8000"],
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
    );
    let live = deployment(
        3,
        &json!({"name": "vllm", "image": "v:2", "args": ["--port", "8000", "--x"],
        "env": [{"name": "A", "value": "1"}, {"name": "FAULT", "value": "crash"}], "envFrom": [{"prefix": "z"}],
        "terminationMessagePath": "/dev/termination-log"}),
    );
    assert_eq!(
        drift(&manifest, &live),
        [
            "spec.replicas: 1 → 3",
            "spec.template.spec.containers[vllm].image: v:1 → v:2",
            "spec.template.spec.containers[vllm].args: [\"--port\",\"8000\"] → [\"--port\",\"8000\",\"--x\"]",
            "spec.template.spec.containers[vllm].env[B]: {\"name\":\"B\",\"value\":\"2\"} → (absent)",
            "spec.template.spec.containers[vllm].env[FAULT]: (absent) → {\"name\":\"FAULT\",\"value\":\"crash\"}",
            "spec.template.spec.containers[vllm].envFrom: (absent) → [{\"prefix\":\"z\"}]",
        ]
    );
}

#[test]
fn what_the_api_server_rewrites_is_no_drift() {
    let manifest = deployment(
        1,
        &json!({"name": "vllm", "env": [], "command": null, "securityContext": {},
        "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi", "nvidia.com/gpu": 1}}}),
    );
    let live = deployment(
        1,
        &json!({"name": "vllm", "imagePullPolicy": "IfNotPresent",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}}}),
    );
    assert_eq!(drift(&manifest, &live), Vec::<String>::new());
}

#[test]
fn an_environment_value_is_no_quantity() {
    let at = |value: &str| deployment(1, &json!({"name": "vllm", "env": [{"name": "A", "value": value}]}));
    assert_eq!(drift(&at("1"), &at("1000m")).len(), 1);
}

#[test]
fn a_secret_in_the_cluster_equals_its_plain_text_in_the_manifest() {
    let manifest = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "x"}});
    let live =
        |data: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": data}});
    assert_eq!(drift(&manifest, &live("eA==")), Vec::<String>::new());
    let lines = drift(&manifest, &live("eQ=="));
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("data.a: <redacted sha256:") && !lines[0].contains("eQ=="),
        "{lines:?}"
    );
}

#[test]
fn live_objects_are_matched_although_the_manifest_names_no_namespace() {
    let live = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "ml"},
        "spec": {"ports": [{"port": 81}]}});
    let found = diff(&record(2, SERVICE), &record(1, SERVICE), &[live]).unwrap();
    assert_eq!(found[0].live_drift.len(), 2, "{found:?}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("kind|name|data|env|[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_object_never_drifts_from_itself(object in any_json()) {
        prop_assert_eq!(drift(&object, &object), Vec::<String>::new());
    }

    #[test]
    fn any_two_objects_can_be_compared(a in any_json(), b in any_json()) {
        let _ = drift(&a, &b);
        let _ = canonical(&a);
    }
}
