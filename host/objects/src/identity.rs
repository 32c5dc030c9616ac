//! An object of the API, and what makes two of them the same one.

use std::fmt;

use serde_json::Value;

use crate::fields::Fields;

/// Identity of an object across manifests. The version is left out: Helm patches an object across versions of its
/// group, and creates and deletes across groups (helm#31768, fixed in 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// API group; empty for the core group.
    pub group: String,
    /// `Deployment`.
    pub kind: String,
    /// Namespace it names, else the release's. An object of no namespace gets it too, on all sides alike.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// An object as a manifest or the API has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// `apps/v1`; `v1` for the core group.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// Namespace it names, else the release's.
    pub namespace: String,
    /// All of it.
    pub json: Value,
}

impl Object {
    /// Reads an object; one that names no namespace gets this one. None without apiVersion, kind or name.
    pub fn read(json: Value, namespace: &str) -> Option<Self> {
        let text = |value: &Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        Some(Self {
            api_version: text(&json["apiVersion"])?,
            kind: text(&json["kind"])?,
            name: text(&json["metadata"]["name"])?,
            namespace: text(&json["metadata"]["namespace"]).unwrap_or_else(|| namespace.to_owned()),
            json,
        })
    }

    /// Tells it from other objects.
    pub fn identity(&self) -> Identity {
        let group = self.api_version.split_once('/').map_or("", |(group, _)| group);
        Identity {
            group: group.to_owned(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Returns the types that the API gives to fields of this kind.
    pub fn fields(&self) -> Fields {
        Fields::of_kind(&self.api_version, &self.kind)
    }

    /// `Deployment/llama`.
    pub fn label(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// Helm leaves it in the cluster when a manifest no longer has it.
    pub fn is_kept(&self) -> bool {
        self.json["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_moves_between_versions_of_its_group_and_stays_the_same_one() {
        let at = |api_version: &str| {
            let json =
                json!({"apiVersion": api_version, "kind": "Job", "metadata": {"name": "x", "namespace": "other"}});
            Object::read(json, "ml").unwrap().identity()
        };
        assert_eq!(at("batch/v1"), at("batch/v1beta1"));
        assert_ne!(at("batch/v1"), at("v1"));
        assert_eq!((at("v1").group.as_str(), at("v1").namespace.as_str()), ("", "other"));
        assert_eq!(at("v1").to_string(), "Job/x");
    }

    #[test]
    fn an_object_without_a_kind_a_version_or_a_name_is_none() {
        for json in [
            json!({"kind": "Job", "metadata": {"name": "x"}}),
            json!({"apiVersion": "v1", "metadata": {"name": "x"}}),
            json!({"apiVersion": "v1", "kind": "Job", "metadata": {"name": ""}}),
            json!({"apiVersion": "v1", "kind": "Job", "metadata": {"name": 1}}),
            json!("text"),
        ] {
            assert_eq!(Object::read(json, "ml"), None);
        }
    }

    #[test]
    fn only_the_word_keep_keeps_an_object() {
        let with = |policy: &str| {
            let annotations = json!({"helm.sh/resource-policy": policy});
            let json = json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "annotations": annotations}});
            Object::read(json, "ml").unwrap().is_kept()
        };
        assert!(with("keep") && !with("delete"));
    }
}
