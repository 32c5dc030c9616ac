//! Fields that the API server lets nobody change. Where the target has another value than the live object, helm fails
//! after it made its record and perhaps half of its changes, and `--force` does not help (helm/helm#7082).

use serde_json::Value;
use vllm_rollback_engine::workload::Finding;
use vllm_rollback_objects::comparison::is_live;
use vllm_rollback_objects::identity::Object;
use vllm_rollback_objects::manifest::Manifest;
use vllm_rollback_objects::quantity::Quantity;

use crate::mapping::Mapper;
use crate::view::LiveWorkload;

/// Obstacle, and what helps.
#[derive(Debug, PartialEq, Eq)]
struct Fixed {
    field: &'static str,
    how: String,
    is_data: bool,
}

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
            if let Some(live) = workloads.iter().find(|live| live.label == label) {
                return evaluate(object, &live.object);
            }
            match mapper.live(object).await {
                Ok(live) => live.and_then(|live| evaluate(object, &live)),
                Err(error) => Some(Finding::unknown(
                    "immutable",
                    format!(
                        "whether the target changes a fixed field of {label} is unknown: {}",
                        error.text()
                    ),
                )),
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
        "Service" => object.json["spec"]["clusterIP"]
            .as_str()
            .is_some_and(|ip| !ip.is_empty()),
        "ConfigMap" | "Secret" => current
            .objects
            .iter()
            .any(|now| now.label() == object.label() && now.json["immutable"] == true),
        _ => false,
    }
}

fn evaluate(object: &Object, live: &Value) -> Option<Finding> {
    let Fixed { field, how, is_data } = fixed(object, live)?;
    let label = object.label();
    let text = format!("{label} cannot get the target's {field}: {how}, so helm rollback would fail half-way");
    let found = Finding::refuse("immutable", text);
    let place = format!("{} {} -n {}", object.kind.to_lowercase(), object.name, object.namespace);
    Some(if is_data {
        found
            .next("roll forward instead: helm upgrade with the target's chart and values, but this field as it is now")
            .next("helm get values RELEASE --revision TARGET shows them")
    } else {
        found.next(format!(
            "delete it, and the rollback creates it again (until then it does not serve): kubectl delete {place}"
        ))
    })
}

/// The field that the target would change.
fn fixed(object: &Object, live: &Value) -> Option<Fixed> {
    let (wanted, now) = (&object.json["spec"], &live["spec"]);
    let never = |field| Fixed {
        field,
        how: "it differs from the live one and can never be changed".to_owned(),
        is_data: false,
    };
    let differs = |field: &str| !is_live(&object.fields(), &["spec", field], &wanted[field], &now[field]);
    match object.kind.as_str() {
        "Deployment" | "DaemonSet" => (selector(wanted) != selector(now)).then(|| never("spec.selector")),
        "StatefulSet" if selector(wanted) != selector(now) => Some(never("spec.selector")),
        "StatefulSet" if differs("serviceName") => Some(never("spec.serviceName")),
        "StatefulSet" if differs("podManagementPolicy") => Some(never("spec.podManagementPolicy")),
        "StatefulSet" => differs("volumeClaimTemplates").then(|| never("spec.volumeClaimTemplates")),
        "Job" => differs("template").then(|| never("spec.template")),
        "Service" => differs("clusterIP").then(|| never("spec.clusterIP")),
        "RoleBinding" | "ClusterRoleBinding" => (!is_live(
            &object.fields(),
            &["roleRef"],
            &object.json["roleRef"],
            &live["roleRef"],
        ))
        .then(|| never("roleRef")),
        "ConfigMap" | "Secret" if live["immutable"] == true => {
            let maps = ["data", "binaryData"];
            let is_same = maps.iter().all(|map| object.json[*map] == live[*map]) && object.json["stringData"].is_null();
            (!is_same).then(|| Fixed {
                field: "data",
                how: "it is marked immutable".to_owned(),
                is_data: false,
            })
        }
        "PersistentVolumeClaim" => claim(wanted, live),
        _ => None,
    }
}

fn claim(wanted: &Value, live: &Value) -> Option<Fixed> {
    let now = &live["spec"];
    let fields = [
        ("storageClassName", "spec.storageClassName"),
        ("accessModes", "spec.accessModes"),
        ("volumeMode", "spec.volumeMode"),
        ("volumeName", "spec.volumeName"),
    ];
    let other = fields
        .iter()
        .find(|(key, _)| !wanted[*key].is_null() && wanted[*key] != now[*key]);
    if let Some((_, field)) = other {
        return Some(Fixed {
            field,
            how: "a claim keeps it for ever".to_owned(),
            is_data: true,
        });
    }
    let sizes = [&wanted["resources"], &now["resources"]].map(|r| &r["requests"]["storage"]);
    let capacity = Quantity::read(&live["status"]["capacity"]["storage"]);
    let [smaller, larger] = sizes.map(Quantity::read);
    // A growth that did not succeed may be taken back (Kubernetes 1.34, RecoverVolumeExpansionFailure).
    let shrinks = smaller? < larger? && smaller? <= capacity?;
    shrinks.then(|| Fixed {
        field: "size",
        how: format!(
            "it would shrink from {} to {}, which no volume does",
            word(sizes[1]),
            word(sizes[0])
        ),
        is_data: true,
    })
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Labels and expressions, empty where absent.
fn selector(spec: &Value) -> (Value, Value) {
    let or = |value: &Value, empty: Value| if value.is_null() { empty } else { value.clone() };
    let selector = &spec["selector"];
    (
        or(&selector["matchLabels"], Value::Object(serde_json::Map::new())),
        or(&selector["matchExpressions"], Value::Array(Vec::new())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
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
