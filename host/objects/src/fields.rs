//! What the API has in a field, by kind and path. A type of somebody else's (a custom resource) is stored as it was written.

/// Group and kind, the path of the kind's pod spec, and those of its other quantities.
type Row = (
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static [&'static str],
);

/// Path of the pod spec in an object of each kind, and of the kind's other quantities. `*` stands for any key, `|` for
/// a choice (k8s.io/api v0.35: all fields of type `resource.Quantity`).
const KINDS: &[Row] = &[
    ("", "Pod", Some("spec"), &[]),
    ("", "PodTemplate", Some("template/spec"), &[]),
    ("", "ReplicationController", Some("spec/template/spec"), &[]),
    ("apps", "Deployment", Some("spec/template/spec"), &[]),
    ("apps", "ReplicaSet", Some("spec/template/spec"), &[]),
    ("apps", "DaemonSet", Some("spec/template/spec"), &[]),
    (
        "apps",
        "StatefulSet",
        Some("spec/template/spec"),
        &["spec/volumeClaimTemplates/spec/resources/limits|requests/*"],
    ),
    ("batch", "Job", Some("spec/template/spec"), &[]),
    ("batch", "CronJob", Some("spec/jobTemplate/spec/template/spec"), &[]),
    ("", "PersistentVolumeClaim", None, &["spec/resources/limits|requests/*"]),
    ("", "PersistentVolume", None, &["spec/capacity/*"]),
    ("", "ResourceQuota", None, &["spec/hard/*"]),
    (
        "",
        "LimitRange",
        None,
        &["spec/limits/max|min|default|defaultRequest|maxLimitRequestRatio/*"],
    ),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        None,
        &[
            "spec/metrics/resource|containerResource|pods|object|external/target/value|averageValue",
            "spec/behavior/scaleUp|scaleDown/tolerance",
        ],
    ),
    ("node.k8s.io", "RuntimeClass", None, &["overhead/podFixed/*"]),
    (
        "storage.k8s.io",
        "CSIStorageCapacity",
        None,
        &["capacity|maximumVolumeSize"],
    ),
];

/// Quantities below a pod's spec.
const POD: &[&str] = &[
    "containers|initContainers|ephemeralContainers/resources/limits|requests/*",
    "containers|initContainers|ephemeralContainers/env/valueFrom/resourceFieldRef/divisor",
    "resources/limits|requests/*",
    "overhead/*",
    "volumes/emptyDir/sizeLimit",
    "volumes/downwardAPI/items/resourceFieldRef/divisor",
    "volumes/projected/sources/downwardAPI/items/resourceFieldRef/divisor",
    "volumes/ephemeral/volumeClaimTemplate/spec/resources/limits|requests/*",
];

/// The fields of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    kind: String,
    /// Of the core group or another that the API server has built in.
    group: String,
}

impl Fields {
    /// Those of this version's group and this kind.
    pub fn of_kind(api_version: &str, kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            group: api_version.split_once('/').map_or("", |(group, _)| group).to_owned(),
        }
    }

    /// All its values are secret.
    pub(crate) fn is_secret(&self) -> bool {
        self.kind == "Secret" && self.group.is_empty()
    }

    /// Runs pods from a template, whose fields the API server fills in. Pods themselves are left out: admission adds volumes
    /// and containers to those.
    pub fn has_template(&self) -> bool {
        self.row()
            .is_some_and(|(_, kind, pod, _)| pod.is_some() && *kind != "Pod")
    }

    /// The API has a quantity there.
    pub fn is_quantity(&self, keys: &[String]) -> bool {
        let Some((_, _, pod, others)) = self.row() else {
            return false;
        };
        let in_pod = pod.is_some_and(|pod| {
            let template = keys.split_at_checked(pod.split('/').count());
            template.is_some_and(|(way, rest)| matches(pod, way) && POD.iter().any(|one| matches(one, rest)))
        });
        in_pod || others.iter().any(|one| matches(one, keys))
    }

    /// An empty text there is a value, and not a field that is left to the API server.
    pub(crate) fn keeps_text(&self, keys: &[String]) -> bool {
        let key = |back: usize| keys.len().checked_sub(back).map_or("", |at| keys[at].as_str());
        matches!(
            key(2),
            "data" | "binaryData" | "stringData" | "labels" | "annotations" | "matchLabels" | "env"
        ) || matches!(key(1), "args" | "command")
    }

    fn row(&self) -> Option<&'static Row> {
        KINDS
            .iter()
            .find(|(group, kind, ..)| *group == self.group && *kind == self.kind)
    }
}

fn matches(pattern: &str, keys: &[String]) -> bool {
    let steps: Vec<&str> = pattern.split('/').collect();
    steps.len() == keys.len()
        && steps
            .iter()
            .zip(keys)
            .all(|(step, key)| *step == "*" || step.split('|').any(|one| one == key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_quantity(api_version: &str, kind: &str, path: &str) -> bool {
        let keys: Vec<String> = path.split('/').map(str::to_owned).collect();
        Fields::of_kind(api_version, kind).is_quantity(&keys)
    }

    #[test]
    fn quantities_are_where_the_api_has_them() {
        for (api_version, kind, path) in [
            ("v1", "Pod", "spec/ephemeralContainers/resources/limits/nvidia"),
            (
                "apps/v1",
                "Deployment",
                "spec/template/spec/containers/resources/limits/cpu",
            ),
            (
                "apps/v1",
                "Deployment",
                "spec/template/spec/initContainers/resources/requests/memory",
            ),
            ("apps/v1", "Deployment", "spec/template/spec/volumes/emptyDir/sizeLimit"),
            ("apps/v1", "Deployment", "spec/template/spec/overhead/cpu"),
            (
                "apps/v1",
                "Deployment",
                "spec/template/spec/containers/env/valueFrom/resourceFieldRef/divisor",
            ),
            (
                "apps/v1",
                "StatefulSet",
                "spec/volumeClaimTemplates/spec/resources/requests/storage",
            ),
            (
                "batch/v1",
                "CronJob",
                "spec/jobTemplate/spec/template/spec/containers/resources/limits/cpu",
            ),
            ("v1", "PersistentVolumeClaim", "spec/resources/requests/storage"),
            ("v1", "PersistentVolume", "spec/capacity/storage"),
            ("v1", "ResourceQuota", "spec/hard/pods"),
            ("v1", "LimitRange", "spec/limits/default/cpu"),
            (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "spec/metrics/resource/target/averageValue",
            ),
        ] {
            assert!(is_quantity(api_version, kind, path), "{kind} {path}");
        }
    }

    #[test]
    fn everything_else_is_a_text_or_a_number() {
        for (api_version, kind, path) in [
            ("apps/v1", "Deployment", "spec/template/spec/containers/env/value"),
            ("apps/v1", "Deployment", "spec/template/spec/containers/args"),
            ("apps/v1", "Deployment", "spec/template/metadata/annotations/limits"),
            (
                "apps/v1",
                "Deployment",
                "spec/template/spec/containers/resources/claims/name",
            ),
            ("apps/v1", "Deployment", "metadata/labels/version"),
            ("apps/v1", "Deployment", "spec/replicas"),
            ("v1", "ConfigMap", "data/limits"),
            ("policy/v1", "PodDisruptionBudget", "spec/minAvailable"),
            (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "spec/metrics/resource/target/averageUtilization",
            ),
            (
                "serving.kserve.io/v1",
                "Deployment",
                "spec/template/spec/containers/resources/limits/cpu",
            ),
            ("v1", "Pod", "spec"),
        ] {
            assert!(!is_quantity(api_version, kind, path), "{kind} {path}");
        }
    }

    #[test]
    fn only_what_makes_pods_has_a_template() {
        let has = |api_version, kind| Fields::of_kind(api_version, kind).has_template();
        assert!(has("apps/v1", "Deployment") && has("batch/v1", "CronJob"));
        assert!(!has("v1", "Pod") && !has("v1", "Service") && !has("v1", "PersistentVolumeClaim"));
    }
}
