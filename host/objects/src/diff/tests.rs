use serde_json::json;

use super::*;

fn manifest(text: &str) -> Manifest {
    Manifest::parse(text, "ml").unwrap()
}

/// Of an object in a manifest and as it lives.
fn drifted(manifest: &Value, live: &Value) -> Vec<String> {
    drift(&Object::read(manifest.clone(), "ml").unwrap(), live)
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
    let current = manifest(&format!("{SERVICE}{}{gone}{kept}", secret("old")));
    let target = manifest(&format!("{SERVICE}{}{config}", secret("new")));
    let found: Vec<_> = diff((&current, Revision(4)), (&target, Revision(2)), &[])
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
    let (old, new) = (manifest(&secret("hunter1")), manifest(&secret("hunter2")));
    let text = diff((&old, Revision(4)), (&new, Revision(2)), &[])
        .remove(0)
        .manifest_diff;
    assert!(
        text.contains("--- revision 4") && text.contains("+++ revision 2"),
        "{text}"
    );
    assert!(text.contains("-  token: ") && text.contains("+  token: "), "{text}");
    assert!(text.contains("<redacted:") && !text.contains("hunter"), "{text}");
}

#[test]
fn keys_in_another_order_are_no_change() {
    let config = |data: &str| {
        manifest(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{{data}}}\n"
        ))
    };
    let (old, new) = (config("b: x, a: y, c: z"), config("c: z, a: y, b: w"));
    let text = diff((&old, Revision(4)), (&new, Revision(2)), &[])
        .remove(0)
        .manifest_diff;
    let changed = text.lines().filter(|line| line.starts_with(['-', '+'])).skip(2);
    assert_eq!(changed.collect::<Vec<_>>(), ["-  b: x", "+  b: w"], "{text}");
}

#[test]
fn an_object_that_moves_to_another_version_of_its_group_is_modified() {
    let at = |version: &str| {
        format!("apiVersion: autoscaling/{version}\nkind: HorizontalPodAutoscaler\nmetadata: {{name: h}}\n")
    };
    let found = diff(
        (&manifest(&at("v2")), Revision(2)),
        (&manifest(&at("v1")), Revision(1)),
        &[],
    );
    assert_eq!((found.len(), found[0].change), (1, ObjectChange::Modify));
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
        drifted(&manifest, &live),
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
fn what_the_api_server_rewrites_is_no_drifted() {
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
    assert_eq!(drifted(&manifest, &live), Vec::<String>::new());
}

#[test]
fn an_environment_value_is_no_quantity() {
    let at = |value: &str| deployment(1, &json!({"name": "vllm", "env": [{"name": "A", "value": value}]}));
    assert_eq!(drifted(&at("1"), &at("1000m")).len(), 1);
}

#[test]
fn a_secret_in_the_cluster_equals_its_plain_text_in_the_manifest() {
    let manifest = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "x"}});
    let live =
        |data: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": data}});
    assert_eq!(drifted(&manifest, &live("eA==")), Vec::<String>::new());
    let lines = drifted(&manifest, &live("eQ=="));
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("data.a: <redacted:") && !lines[0].contains("eQ=="),
        "{lines:?}"
    );
}

#[test]
fn live_objects_are_matched_although_the_manifest_names_no_namespace() {
    let live = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "ml"},
        "spec": {"ports": [{"port": 81}]}});
    let live = Object::read(live, "other").unwrap();
    let found = diff(
        (&manifest(SERVICE), Revision(2)),
        (&manifest(SERVICE), Revision(1)),
        &[live],
    );
    assert_eq!(found[0].live_drift.len(), 2, "{found:?}");
}
