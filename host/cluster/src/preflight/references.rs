//! Whether the Secrets, ConfigMaps and PersistentVolumeClaims that the target's pods name exist.

use serde_json::{Value, json};
use vllm_rollback_engine::workload::{Finding, Severity};
use vllm_rollback_objects::manifest::Manifest;

use crate::api::Resource;
use crate::connect::Cluster;
use crate::pods::list;

/// An object that a pod needs, and the key in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    kind: &'static str,
    name: String,
    key: Option<String>,
    /// The pod starts without it too.
    optional: bool,
}

pub(super) async fn inspect(cluster: &Cluster, target: &Manifest) -> Vec<Finding> {
    let wanted = references(target);
    let checks = wanted.iter().map(|reference| check(cluster, reference));
    let found: Vec<Finding> = futures::future::join_all(checks).await.into_iter().flatten().collect();
    if found.is_empty() && !wanted.is_empty() {
        let count = wanted.len();
        let text = format!("{count} referenced Secrets, ConfigMaps and volume claims exist");
        return vec![Finding::ok("secret", text)];
    }
    found
}

fn references(target: &Manifest) -> Vec<Reference> {
    let mut all: Vec<Reference> = target
        .workloads()
        .iter()
        .flat_map(|w| of_pod_spec(w.pod_spec()))
        .filter(|r| !target.creates(r.kind, &r.name))
        .collect();
    all.sort();
    all.dedup();
    all
}

fn of_pod_spec(spec: &Value) -> Vec<Reference> {
    let mut all = Vec::new();
    let mut add = |kind: &'static str, of: &Value, name: &str, key: &Value| {
        if let Some(name) = of[name].as_str().filter(|n| !n.is_empty()) {
            all.push(Reference {
                kind,
                name: name.to_owned(),
                key: key.as_str().map(str::to_owned),
                optional: of["optional"] == true,
            });
        }
    };
    for volume in list(&spec["volumes"]) {
        let claim = &volume["persistentVolumeClaim"];
        add("ConfigMap", &volume["configMap"], "name", &Value::Null);
        add("Secret", &volume["secret"], "secretName", &Value::Null);
        add("PersistentVolumeClaim", claim, "claimName", &Value::Null);
        for source in list(&volume["projected"]["sources"]) {
            add("ConfigMap", &source["configMap"], "name", &Value::Null);
            add("Secret", &source["secret"], "name", &Value::Null);
        }
    }
    for container in list(&spec["containers"]).iter().chain(list(&spec["initContainers"])) {
        for from in list(&container["envFrom"]) {
            add("ConfigMap", &from["configMapRef"], "name", &Value::Null);
            add("Secret", &from["secretRef"], "name", &Value::Null);
        }
        for env in list(&container["env"]) {
            let (config, secret) = (&env["valueFrom"]["configMapKeyRef"], &env["valueFrom"]["secretKeyRef"]);
            add("ConfigMap", config, "name", &config["key"]);
            add("Secret", secret, "name", &secret["key"]);
        }
    }
    for secret in list(&spec["imagePullSecrets"]) {
        // A pod starts without its pull secret; only the pull may fail.
        let optional = json!({ "name": secret["name"], "optional": true });
        add("Secret", &optional, "name", &Value::Null);
    }
    all
}

async fn check(cluster: &Cluster, reference: &Reference) -> Option<Finding> {
    let (plural, subject) = match reference.kind {
        "Secret" => ("secrets", "secret"),
        "ConfigMap" => ("configmaps", "config-map"),
        _ => ("persistentvolumeclaims", "volume-claim"),
    };
    let label = format!("{}/{}", reference.kind, reference.name);
    let path = Resource::core(plural).object(cluster.namespace(), &reference.name);
    let object = match cluster.api().find(&path).await {
        Ok(object) => object,
        Err(error) => {
            let text = format!("cannot read {label}, which the target's pods need: {}", error.text());
            return Some(Finding::unknown(subject, text));
        }
    };
    let lack = if reference.optional {
        Severity::Warning
    } else {
        Severity::Refuse
    };
    let Some(object) = object else {
        let text = format!("the target's pods need {label}, which does not exist");
        let create = format!("create {label} in {}", cluster.namespace());
        return Some(Finding::new(lack, subject, text).next(create));
    };
    evaluate(reference, &object, &label, lack, subject)
}

fn evaluate(reference: &Reference, object: &Value, label: &str, lack: Severity, subject: &str) -> Option<Finding> {
    if reference.kind == "PersistentVolumeClaim" {
        let phase = object["status"]["phase"].as_str().unwrap_or("Unknown");
        return match phase {
            "Bound" => None,
            "Lost" => Some(Finding::refuse(subject, format!("{label} lost its volume"))),
            // It may wait for its first pod.
            _ => Some(Finding::warning(subject, format!("{label} is not bound: {phase}"))),
        };
    }
    let key = reference.key.as_deref()?;
    let has = ["data", "binaryData"].iter().any(|map| object[map].get(key).is_some());
    if has {
        return None;
    }
    let text = format!("the target's pods need the key {key} of {label}, which it does not have");
    Some(Finding::new(lack, subject, text).next(format!("add the key {key} to {label}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  template:
    spec:
      imagePullSecrets: [{name: pull}]
      volumes: [{name: w, persistentVolumeClaim: {claimName: weights}}, {name: c, configMap: {name: own}}]
      containers:
      - name: vllm
        envFrom: [{configMapRef: {name: cfg, optional: true}}]
        env: [{name: T, valueFrom: {secretKeyRef: {name: hf, key: token}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: own}
";

    #[test]
    fn every_way_to_name_an_object_is_seen_and_the_targets_own_are_left_out() {
        let found = references(&Manifest::parse(TEXT, "ml").unwrap());
        let names: Vec<_> = found.iter().map(|r| (r.kind, r.name.as_str(), r.optional)).collect();
        assert_eq!(
            names,
            [
                ("ConfigMap", "cfg", true),
                ("PersistentVolumeClaim", "weights", false),
                ("Secret", "hf", false),
                ("Secret", "pull", true),
            ]
        );
    }

    #[test]
    fn a_missing_key_is_told_without_any_value() {
        let reference = Reference {
            kind: "Secret",
            name: "hf".into(),
            key: Some("token".into()),
            optional: false,
        };
        let found = evaluate(
            &reference,
            &json!({"data": {"other": "canary"}}),
            "Secret/hf",
            Severity::Refuse,
            "secret",
        );
        let found = found.unwrap();
        assert_eq!(found.severity, Severity::Refuse);
        assert!(found.message.contains("token") && !found.message.contains("canary"));
        assert!(
            evaluate(
                &reference,
                &json!({"data": {"token": "x"}}),
                "Secret/hf",
                Severity::Refuse,
                "secret"
            )
            .is_none()
        );
    }
}
