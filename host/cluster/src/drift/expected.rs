//! The spec that a manifest's workload gets once the API server filled in its defaults.

use serde_json::Value;
use vllm_rollback_objects::workload::Workload;

use crate::api::{ApiClient, ApiError, with_query};
use crate::mapping;

/// Creates the workload under another name as a dry run: defaulting and admission run, nothing is stored. None when the
/// server or an admission webhook does not do dry runs, or this user may not create it.
pub(crate) async fn defaulted(api: &ApiClient, workload: &Workload<'_>) -> Result<Option<Value>, ApiError> {
    let path = mapping::workloads(workload.kind).collection(Some(&workload.object.namespace));
    let path = with_query(&path, &[("dryRun", "All")]);
    match api.create(&path, &copy(workload)).await {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.code.is_some() && !matches!(error.code, Some(401 | 429)) => {
            let label = workload.object.label();
            tracing::debug!("{label} cannot be created as a dry run: {}", error.text());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The same spec under another name.
fn copy(workload: &Workload<'_>) -> Value {
    let mut object = workload.object.json.clone();
    let name: String = workload.object.name.chars().take(50).collect();
    let labels = object["metadata"]["labels"].take();
    object["metadata"] = serde_json::json!({
        "name": format!("{}-dry-run", name.trim_end_matches(['-', '.'])),
        "namespace": workload.object.namespace,
        "labels": labels,
    });
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use vllm_rollback_objects::manifest::Manifest;

    #[test]
    fn the_copy_has_another_name_and_the_same_spec() {
        let text =
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, annotations: {a: b}}\nspec: {replicas: 2}\n";
        let manifest = Manifest::parse(text, "ml").unwrap();
        let copy = copy(&manifest.workloads()[0]);
        assert_eq!(copy["metadata"]["name"], "d-dry-run");
        assert_eq!(copy["spec"]["replicas"], 2);
        assert!(copy["metadata"].get("annotations").is_none());
    }
}
