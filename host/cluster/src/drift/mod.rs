//! Whether what lives is what the target's manifest says, leftovers of other revisions included (helm#13346).

mod compare;
mod expected;
pub(crate) mod quantity;

use base64::Engine;
use serde_json::{Value, json};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::workload::Drift;

use compare::{Comparison, How};

use crate::autoscaler;
use crate::connect::Cluster;
use crate::gate::GATE_KEY;
use crate::manifest::{Manifest, Mapper, Object, Workload};

/// Fields of a live object that are not the manifest's business.
const IGNORED: &[&str] = &[
    "metadata.creationTimestamp",
    "spec.template.metadata.creationTimestamp",
    "status",
];

/// All differences. Empty means equal.
pub(crate) async fn drift(cluster: &Cluster, manifest: &Manifest) -> Result<Vec<Drift>, Failure> {
    let mapper = Mapper::new(cluster.wire().clone());
    let scaled = autoscaler::scaled(cluster).await.unwrap_or_default();
    let workloads = manifest.workloads();
    let comparisons = manifest.objects.iter().map(|object| {
        let workload = workloads.iter().find(|w| std::ptr::eq(w.object, object));
        let is_scaled = scaled.iter().any(|s| s.is(object));
        let mapper = &mapper;
        async move { compare_object(cluster, mapper, object, workload, is_scaled).await }
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
    let expected = expected::defaulted(cluster.wire(), workload)
        .await
        .map_err(|e| e.into_failure(what()))?;
    Ok(compare_workload(object, expected.as_ref(), &live, is_scaled))
}

/// `expected` is the manifest's object with defaults; without it only what the manifest says is compared.
fn compare_workload(object: &Object, expected: Option<&Value>, live: &Value, is_scaled: bool) -> Vec<Drift> {
    let label = object.label();
    let mut ignored = IGNORED.to_vec();
    if is_scaled {
        ignored.push("spec.replicas");
    }
    let mut comparison = Comparison::new(&label, false, &ignored);
    match expected {
        Some(expected) => comparison.compare("spec", &expected["spec"], &live["spec"], How::Exact),
        None => comparison.compare("spec", &object.json["spec"], &live["spec"], How::Covers),
    }
    compare_metadata(&mut comparison, object, live);
    comparison.found
}

/// Everything that is wanted is so; more may be there.
pub(crate) fn is_covered(wanted: &Value, live: &Value) -> bool {
    let mut comparison = Comparison::new("", false, &[]);
    comparison.compare("", wanted, live, How::Covers);
    comparison.found.is_empty()
}

fn compare_metadata(comparison: &mut Comparison<'_>, object: &Object, live: &Value) {
    for key in ["labels", "annotations"] {
        let path = format!("metadata.{key}");
        comparison.compare(
            &path,
            &object.json["metadata"][key],
            &live["metadata"][key],
            How::Covers,
        );
    }
}

/// Objects of other kinds: what the manifest says is so, and maps of data hold nothing more.
fn compare_other(object: &Object, live: &Value) -> Vec<Drift> {
    let label = object.label();
    let mut comparison = Comparison::new(&label, object.kind == "Secret", IGNORED);
    let wanted = with_encoded_strings(object);
    for (key, value) in wanted.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" | "metadata" | "status" => {}
            "data" | "binaryData" if is_data(object) => comparison.compare(key, value, &live[key], How::Exact),
            _ => comparison.compare(key, value, &live[key], How::Covers),
        }
    }
    if is_data(object) && wanted.get("data").is_none() {
        comparison.compare("data", &json!({}), &live["data"], How::Exact);
    }
    if object.kind == "Service" {
        let mut selector = live["spec"]["selector"].clone();
        if let Some(map) = selector.as_object_mut() {
            map.remove(GATE_KEY);
        }
        comparison.compare("spec.selector", &wanted["spec"]["selector"], &selector, How::Exact);
    }
    compare_metadata(&mut comparison, object, live);
    // The selector was compared twice: covered with the spec, and exactly.
    comparison.found.sort_by(|a, b| a.path.cmp(&b.path));
    comparison.found.dedup();
    comparison.found
}

fn is_data(object: &Object) -> bool {
    matches!(object.kind.as_str(), "ConfigMap" | "Secret") && object.api_version == "v1"
}

/// The API server stores a Secret's `stringData` in `data`.
fn with_encoded_strings(object: &Object) -> Value {
    let mut wanted = object.json.clone();
    if object.kind == "Secret" && wanted["stringData"].is_object() {
        let strings = wanted["stringData"].take();
        for (key, value) in strings.as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            wanted["data"][key] = base64::engine::general_purpose::STANDARD.encode(text).into();
        }
        if let Some(map) = wanted.as_object_mut() {
            map.remove("stringData");
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        Manifest::parse(text, "ml").unwrap().objects.remove(0)
    }

    const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, labels: {a: b}}\nspec: {replicas: 1, paused: false}\n";

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
