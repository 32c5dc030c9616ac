//! Fields that the API server lets nobody change. Where the target has another value than the live object, helm fails
//! after it made its record and perhaps half of its changes, and `--force` does not help (helm/helm#7082).

use serde_json::{Value, json};
use vllm_rollback_engine::workload::Finding;
use vllm_rollback_objects::comparison::is_live;
use vllm_rollback_objects::identity::Object;
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::quantity::Quantity;

use crate::mapping::Mapper;
use crate::pods::text;
use crate::view::{self, LiveWorkload};

pub(super) async fn inspect(
    mapper: &Mapper,
    current: &Manifest,
    target: &Manifest,
    workloads: &[LiveWorkload],
) -> Vec<Finding> {
    let looks = target
        .objects
        .iter()
        .filter(|o| has_fixed(o, current))
        .map(|object| async move {
            let label = object.label();
            if let Some(live) = view::of(workloads, object) {
                return evaluate(object, &live.object);
            }
            match mapper.live(object).await {
                Ok(live) => live.and_then(|live| evaluate(object, &live)),
                Err(error) => {
                    let why = error.text();
                    let text = format!("whether the target changes a fixed field of {label} is unknown: {why}");
                    Some(Finding::unknown("immutable", text))
                }
            }
        });
    futures::future::join_all(looks).await.into_iter().flatten().collect()
}

/// Tells whether it is worth a look: the kinds that a chart holds most often are fixed only where they say so.
fn has_fixed(object: &Object, current: &Manifest) -> bool {
    match object.kind.as_str() {
        "Deployment"
        | "StatefulSet"
        | "DaemonSet"
        | "Job"
        | "PersistentVolumeClaim"
        | "RoleBinding"
        | "ClusterRoleBinding" => true,
        "Service" => !text(at(&object.json, "spec.clusterIP")).is_empty(),
        "ConfigMap" | "Secret" => current
            .objects
            .iter()
            .any(|now| now.label() == object.label() && now.json["immutable"] == true),
        _ => false,
    }
}

fn evaluate(object: &Object, live: &Value) -> Option<Finding> {
    let (field, why) = fixed(object, live)?;
    let label = object.label();
    let text = format!("{label} cannot get the target's {field}: {why}, so helm rollback would fail half-way");
    let found = Finding::refuse("immutable", text);
    let place = format!("{} {} -n {}", object.kind.to_lowercase(), object.name, object.namespace);
    // A claim holds data, so it is not to be deleted.
    Some(if object.kind == "PersistentVolumeClaim" {
        found
            .next("roll forward instead: helm upgrade with the target's chart and values, but this field as it is now")
            .next("helm get values RELEASE --revision TARGET shows them")
    } else {
        found.next(format!(
            "delete it, and the rollback creates it again (until then it does not serve): kubectl delete {place}"
        ))
    })
}

/// The field that the target would change, and why it cannot.
fn fixed(object: &Object, live: &Value) -> Option<(&'static str, String)> {
    let fields: &[&str] = match object.kind.as_str() {
        "Deployment" | "DaemonSet" => &["spec.selector"],
        "StatefulSet" => &[
            "spec.selector",
            "spec.serviceName",
            "spec.podManagementPolicy",
            "spec.volumeClaimTemplates",
        ],
        "Job" => &["spec.template"],
        "Service" => &["spec.clusterIP"],
        "RoleBinding" | "ClusterRoleBinding" => &["roleRef"],
        "ConfigMap" | "Secret" if live["immutable"] == true => {
            let maps = ["data", "binaryData"];
            let is_same = maps.iter().all(|map| object.json[*map] == live[*map]) && object.json["stringData"].is_null();
            return (!is_same).then(|| ("data", "it is marked immutable".to_owned()));
        }
        "PersistentVolumeClaim" => return claim(&object.json, live),
        _ => &[],
    };
    let differs = |field: &&str| match (at(&object.json, field), at(live, field)) {
        (wanted, now) if *field == "spec.selector" => selector(wanted) != selector(now),
        (wanted, now) => {
            let path: Vec<&str> = field.split('.').collect();
            !is_live(&object.fields(), &path, wanted, now)
        }
    };
    let field = fields.iter().copied().find(differs)?;
    Some((
        field,
        "it differs from the live one and can never be changed".to_owned(),
    ))
}

fn claim(wanted: &Value, live: &Value) -> Option<(&'static str, String)> {
    let fields = [
        "spec.storageClassName",
        "spec.accessModes",
        "spec.volumeMode",
        "spec.volumeName",
    ];
    let differs = |field: &&str| !at(wanted, field).is_null() && at(wanted, field) != at(live, field);
    if let Some(field) = fields.into_iter().find(differs) {
        return Some((field, "a claim keeps it for ever".to_owned()));
    }
    let sizes = [wanted, live].map(|claim| at(claim, "spec.resources.requests.storage"));
    let [smaller, larger] = sizes.map(Quantity::read);
    let capacity = Quantity::read(&live["status"]["capacity"]["storage"]);
    // A growth that did not succeed may be taken back (Kubernetes 1.34, RecoverVolumeExpansionFailure).
    let shrinks = smaller? < larger? && smaller? <= capacity?;
    let [smaller, larger] = sizes.map(word);
    shrinks.then(|| {
        let why = format!("it would shrink from {larger} to {smaller}, which no volume does");
        ("size", why)
    })
}

fn at<'v>(object: &'v Value, field: &str) -> &'v Value {
    field.split('.').fold(object, |value, key| &value[key])
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Labels and expressions, empty where absent.
fn selector(selector: &Value) -> (Value, Value) {
    let or = |value: &Value, empty: Value| if value.is_null() { empty } else { value.clone() };
    (
        or(&selector["matchLabels"], json!({})),
        or(&selector["matchExpressions"], json!([])),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use vllm_rollback_engine::workload::Severity;

    fn found(wanted: &Value, live: &Value) -> Option<Finding> {
        let text = wanted.to_string();
        let manifest = Manifest::parse(&text, "ml").unwrap();
        evaluate(&manifest.objects[0], live)
    }

    fn object(api_version: &str, kind: &str, spec: &Value) -> Value {
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": spec})
    }

    #[test]
    fn another_selector_is_refused_and_the_same_one_is_not() {
        let with = |labels: Value| object("apps/v1", "Deployment", &json!({"selector": {"matchLabels": labels}}));
        let refused = found(&with(json!({"a": "1"})), &with(json!({"a": "2"}))).unwrap();
        assert_eq!(refused.severity, Severity::Refuse);
        assert!(refused.message.contains("spec.selector"), "{}", refused.message);
        assert_eq!(refused.next.len(), 1);
        assert!(
            refused.next[0].ends_with("kubectl delete deployment x -n ml"),
            "{:?}",
            refused.next
        );
        assert_eq!(found(&with(json!({"a": "1"})), &with(json!({"a": "1"}))), None);
    }

    #[test]
    fn a_claim_may_grow_and_not_shrink_unless_its_growth_never_came() {
        let sized = |size: &str| {
            object(
                "v1",
                "PersistentVolumeClaim",
                &json!({"resources": {"requests": {"storage": size}}}),
            )
        };
        let live = |size: &str, capacity: &str| {
            let mut live = sized(size);
            live["status"] = json!({"capacity": {"storage": capacity}});
            live
        };
        let refused = found(&sized("1Gi"), &live("2Gi", "2Gi")).unwrap();
        assert!(
            refused.message.contains("shrink from 2Gi to 1Gi"),
            "{}",
            refused.message
        );
        assert_eq!(found(&sized("2Gi"), &live("1Gi", "1Gi")), None);
        assert_eq!(found(&sized("2Gi"), &live("2048Mi", "2Gi")), None);
        assert_eq!(found(&sized("2Gi"), &live("3Gi", "1Gi")), None);
    }

    #[test]
    fn what_the_server_fills_in_is_no_difference() {
        let wanted =
            json!({"template": {"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1000m"}}}]}}});
        let live = json!({"template": {"metadata": {"labels": {"job-name": "x"}},
            "spec": {"dnsPolicy": "ClusterFirst", "containers": [{"name": "c", "resources": {"limits": {"cpu": 1}}}]}}});
        let (wanted, mut live) = (object("batch/v1", "Job", &wanted), object("batch/v1", "Job", &live));
        assert_eq!(found(&wanted, &live), None);
        live["spec"]["template"]["spec"]["containers"][0]["name"] = "d".into();
        assert!(found(&wanted, &live).unwrap().message.contains("spec.template"));
    }

    #[test]
    fn an_immutable_secret_is_refused_without_its_values() {
        let with = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "k"}, "immutable": true, "data": {"a": value}});
        let refused = found(&with("canary"), &with("other")).unwrap();
        assert!(
            refused.message.starts_with("Secret/k cannot get the target's data"),
            "{}",
            refused.message
        );
        assert!(!format!("{refused:?}").contains("canary"));
        assert_eq!(found(&with("canary"), &with("canary")), None);
    }

    #[test]
    fn a_fixed_address_of_a_service_is_seen() {
        let with = |ip: &str| object("v1", "Service", &json!({"clusterIP": ip}));
        assert!(found(&with("None"), &with("10.0.0.7")).is_some());
        assert_eq!(found(&with("10.0.0.7"), &with("10.0.0.7")), None);
    }
}
