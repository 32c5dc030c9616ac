//! Whether what lives is what the target's manifest says, leftovers of other revisions included (helm#13346).

mod expected;

use serde_json::{Value, json};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::workload::Drift;
use vllm_rollback_objects::comparison::{Against, Difference, as_stored, compare};
use vllm_rollback_objects::identity::Object;
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::workload::Workload;

use crate::autoscaler;
use crate::connect::Cluster;
use crate::mapping::Mapper;
use crate::services::ungated_selector;

/// Fields of a live object that are not the manifest's business.
const IGNORED: &[&str] = &["spec.template.metadata.creationTimestamp"];
/// Most differences of one object that are told.
const LIMIT: usize = 20;

/// All differences. Empty means equal.
pub(crate) async fn drift(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<Drift>, Failure> {
    let mapper = Mapper::new(cluster.api().clone());
    let scaled = autoscaler::scaled(cluster).await.unwrap_or_default();
    let workloads = manifest.workloads();
    let comparisons = manifest.objects.iter().map(|object| {
        let workload = workloads.iter().find(|w| std::ptr::eq(w.object, object));
        let is_scaled = scaled.iter().any(|s| s.is(object));
        compare_object(cluster, &mapper, object, workload, is_scaled)
    });
    let found = futures::future::try_join_all(comparisons).await?;
    Ok(found.into_iter().flatten().collect())
}

async fn compare_object(
    cluster: &Cluster,
    mapper: &Mapper,
    object: &Object,
    workload: Option<&Workload<'_>>,
    is_scaled: bool,
) -> Result<Vec<Drift>, Failure> {
    let label = object.label();
    let what = || format!("cannot compare {label} with its manifest");
    let live = mapper.live(object).await.map_err(|e| e.into_failure(what()))?;
    let Some(live) = live else {
        return Ok(vec![Drift {
            object: label.clone(),
            path: String::new(),
            wanted: Some("exists".to_owned()),
            live: None,
        }]);
    };
    let Some(workload) = workload else {
        return Ok(compare_other(object, &live));
    };
    let expected = expected::defaulted(cluster.api(), workload).await;
    let expected = expected.map_err(|e| e.into_failure(what()))?;
    Ok(compare_workload(object, expected.as_ref(), &live, is_scaled))
}

/// `expected` is the manifest's object with defaults; without it only what the manifest says is compared.
fn compare_workload(object: &Object, expected: Option<&Value>, live: &Value, is_scaled: bool) -> Vec<Drift> {
    let mut found = match expected {
        Some(expected) => compare(&object.fields(), &["spec"], &expected["spec"], &live["spec"]),
        None => declared(object, &["spec"], &object.json["spec"], &live["spec"]),
    };
    found.retain(|one| !(IGNORED.contains(&one.path.as_str()) || is_scaled && one.path == "spec.replicas"));
    found.extend(compare_metadata(object, live));
    told(object, found)
}

/// Lists what the manifest declares and the cluster does not have.
fn declared(object: &Object, path: &[&str], wanted: &Value, live: &Value) -> Vec<Difference> {
    let mut found = compare(&object.fields(), path, wanted, live);
    found.retain(|one| one.against == Against::Declared);
    found
}

fn compare_metadata(object: &Object, live: &Value) -> Vec<Difference> {
    let maps = ["labels", "annotations"].into_iter();
    let of = |value: &Value, key: &str| value["metadata"][key].clone();
    maps.flat_map(|key| declared(object, &["metadata", key], &of(&object.json, key), &of(live, key)))
        .collect()
}

/// Objects of other kinds: what the manifest says is so, and maps of data and a Service's selector hold nothing more.
fn compare_other(object: &Object, live: &Value) -> Vec<Drift> {
    let wanted = as_stored(&object.json);
    let whole_maps: &[&str] = if is_data(object) { &["data", "binaryData"] } else { &[] };
    let mut found = Vec::new();
    for key in whole_maps {
        let [wanted, live] = [&wanted[key], &live[key]].map(or_empty);
        found.extend(compare(&object.fields(), &[key], &wanted, &live));
    }
    for (key, value) in wanted.as_object().into_iter().flatten() {
        let is_compared_elsewhere = matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status");
        if !is_compared_elsewhere && !whole_maps.contains(&key.as_str()) {
            found.extend(declared(object, &[key], value, &live[key]));
        }
    }
    if object.kind == "Service" {
        let (wanted, live) = (&wanted["spec"]["selector"], ungated_selector(live));
        let more = compare(&object.fields(), &["spec", "selector"], wanted, &live);
        found.extend(more.into_iter().filter(|one| one.against == Against::Undeclared));
    }
    found.extend(compare_metadata(object, live));
    told(object, found)
}

fn is_data(object: &Object) -> bool {
    matches!(object.kind.as_str(), "ConfigMap" | "Secret") && object.api_version == "v1"
}

/// Takes an absent map for an empty one, so that leftovers are reported key by key.
fn or_empty(map: &Value) -> Value {
    if map.is_null() { json!({}) } else { map.clone() }
}

fn told(object: &Object, found: Vec<Difference>) -> Vec<Drift> {
    let one = |Difference { path, wanted, live, .. }| Drift {
        object: object.label(),
        path,
        wanted,
        live,
    };
    found.into_iter().take(LIMIT).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::GATE_KEY;

    fn object(text: &str) -> Object {
        Manifest::parse(text, "ml").unwrap().objects.remove(0)
    }

    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, labels: {a: b}}\nspec: {replicas: 1, paused: false}\n";

    #[test]
    fn each_difference_of_binary_data_is_told_once() {
        let object = object("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nbinaryData: {a: eA==}\n");
        let live = json!({"binaryData": {"a": "eQ==", "more": "eQ=="}});
        let paths: Vec<_> = compare_other(&object, &live)
            .into_iter()
            .map(|drift| drift.path)
            .collect();
        assert_eq!(paths, ["binaryData.a", "binaryData.more"]);
    }

    #[test]
    fn replicas_under_an_autoscaler_are_not_compared() {
        let live = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 4}});
        let expected = json!({"spec": {"replicas": 1}});
        assert!(compare_workload(&object(DEPLOYMENT), Some(&expected), &live, true).is_empty());
        assert_eq!(
            compare_workload(&object(DEPLOYMENT), Some(&expected), &live, false).len(),
            1
        );
    }

    #[test]
    fn without_a_dry_run_only_what_the_manifest_says_is_compared() {
        let live = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 1, "revisionHistoryLimit": 10}});
        assert!(compare_workload(&object(DEPLOYMENT), None, &live, false).is_empty());
    }

    #[test]
    fn the_gates_key_is_no_drift_and_another_foreign_key_is() {
        let service = object("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: x}}\n");
        let live = |key: &str| json!({"metadata": {}, "spec": {"selector": {"app": "x", key: "closed"}}});
        assert!(compare_other(&service, &live(GATE_KEY)).is_empty());
        assert_eq!(compare_other(&service, &live("foreign")).len(), 1);
    }

    #[test]
    fn a_secrets_strings_are_compared_encoded_and_never_shown() {
        let secret = object("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: canary}\n");
        let equal = json!({"metadata": {}, "data": {"k": "Y2FuYXJ5"}});
        assert!(compare_other(&secret, &equal).is_empty());
        let other = json!({"metadata": {}, "data": {"k": "b3RoZXI=", "left": "eA=="}});
        let found = compare_other(&secret, &other);
        assert_eq!(found.len(), 2);
        let text = format!("{found:?}");
        assert!(
            !text.contains("Y2Fu") && !text.contains("b3Ro") && !text.contains("canary"),
            "{text}"
        );
    }

    #[test]
    fn a_leftover_key_of_a_config_map_is_drift() {
        let config = object("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1'}\n");
        let live = json!({"metadata": {}, "data": {"a": "1", "left": "2"}});
        assert_eq!(compare_other(&config, &live)[0].path, "data.left");
    }
}
