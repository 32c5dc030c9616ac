//! A revision's manifest as objects.

mod mapping;
mod model;
mod workload;

use serde_json::Value;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::release::ReleaseRecord;

pub(crate) use mapping::Mapper;
pub(crate) use model::served_model;
pub(crate) use workload::{Service, Workload, WorkloadKind, selects};

/// Largest manifest that is read, in bytes. A record in etcd is at most 1.5 MB of gzip, which text shrinks about tenfold.
const LIMIT: usize = 32 << 20;

/// An object of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// Namespace it names, else the release's.
    pub(crate) namespace: String,
    pub(crate) json: Value,
}

impl Object {
    fn read(json: Value, namespace: &str) -> Option<Self> {
        let text = |value: &Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        Some(Self {
            api_version: text(&json["apiVersion"])?,
            kind: text(&json["kind"])?,
            name: text(&json["metadata"]["name"])?,
            namespace: text(&json["metadata"]["namespace"]).unwrap_or_else(|| namespace.to_owned()),
            json,
        })
    }

    /// `Deployment/llama`.
    pub(crate) fn label(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// All objects of a revision's manifest.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Manifest {
    pub(crate) objects: Vec<Object>,
}

impl Manifest {
    /// Reads a record's manifest.
    pub(crate) fn of(record: &ReleaseRecord) -> Result<Self, Failure> {
        Self::parse(&record.manifest, &record.release.namespace).map_err(|why| {
            Failure::new(
                FailureKind::Invalid,
                format!(
                    "the manifest of {} revision {} cannot be read",
                    record.release, record.revision
                ),
            )
            .because(why)
            .next(format!(
                "helm get manifest {} --revision {} -n {}",
                record.release.name, record.revision, record.release.namespace
            ))
        })
    }

    /// Reads several YAML documents. An error tells the place only, since the text may hold Secrets.
    pub(crate) fn parse(text: &str, namespace: &str) -> Result<Self, String> {
        if text.len() > LIMIT {
            return Err(format!("it is larger than {} MiB", LIMIT >> 20));
        }
        let mut options = serde_saphyr::Options::default();
        // Helm reads YAML 1.1, in which `defaultMode: 0644` is octal.
        options.legacy_octal_numbers = true;
        options.with_snippet = false;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple_with_options(text, options).map_err(|error| match error.location() {
                Some(at) => format!("it is not valid YAML at line {}, column {}", at.line(), at.column()),
                None => "it is not valid YAML".to_owned(),
            })?;
        let mut objects = Vec::new();
        for (index, document) in documents.into_iter().enumerate() {
            if document.is_null() {
                continue;
            }
            let items = match document["items"].as_array() {
                Some(items) if document["kind"].as_str().is_some_and(|k| k.ends_with("List")) => items.clone(),
                _ => vec![document],
            };
            for item in items {
                let object = Object::read(item, namespace)
                    .ok_or_else(|| format!("its object {} has no apiVersion, kind or name", index + 1))?;
                objects.push(object);
            }
        }
        Ok(Self { objects })
    }

    /// Objects that run pods.
    pub(crate) fn workloads(&self) -> Vec<Workload<'_>> {
        self.objects.iter().filter_map(Workload::read).collect()
    }

    /// Services whose selector matches the pods of a workload.
    pub(crate) fn services(&self) -> Vec<Service<'_>> {
        let workloads = self.workloads();
        self.objects
            .iter()
            .filter_map(Service::read)
            .filter(|service| workloads.iter().any(|w| service.matches(w)))
            .collect()
    }

    /// Workloads that serve the model: those a Service selects, else all.
    pub(crate) fn serving_workloads(&self) -> Vec<Workload<'_>> {
        let services = self.services();
        let all = self.workloads();
        let selected: Vec<_> = all
            .iter()
            .filter(|w| services.iter().any(|s| s.matches(w)))
            .cloned()
            .collect();
        if selected.is_empty() { all } else { selected }
    }

    /// The port of a workload's pods that serves the model: what a Service leads to, else what a container declares, else
    /// vLLM's default.
    pub(crate) fn serving_port(&self, workload: &Workload<'_>) -> u16 {
        self.services()
            .iter()
            .filter(|s| s.matches(workload))
            .find_map(|s| s.target_port(workload))
            .or_else(|| workload.first_container_port())
            .unwrap_or(8000)
    }

    /// An object of this kind and name is part of the revision.
    pub(crate) fn creates(&self, kind: &str, name: &str) -> bool {
        self.objects.iter().any(|o| o.kind == kind && o.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "---\n# Source: a.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: s\n---\n\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: d\n  namespace: other\n";

    #[test]
    fn documents_become_objects_and_empty_ones_are_skipped() {
        let manifest = Manifest::parse(TWO, "ml").unwrap();
        let labels: Vec<_> = manifest.objects.iter().map(Object::label).collect();
        assert_eq!(labels, ["Service/s", "Deployment/d"]);
        assert_eq!(manifest.objects[0].namespace, "ml");
        assert_eq!(manifest.objects[1].namespace, "other");
    }

    #[test]
    fn numbers_and_words_are_read_as_helm_reads_them() {
        let text = "apiVersion: v1\nkind: X\nmetadata: {name: x}\nmode: 0644\nflag: yes\nquoted: \"0644\"\n";
        let json = &Manifest::parse(text, "ml").unwrap().objects[0].json;
        assert_eq!(json["mode"], 420);
        assert_eq!(json["flag"], true);
        assert_eq!(json["quoted"], "0644");
    }

    #[test]
    fn an_error_names_the_place_and_not_the_content() {
        let why = Manifest::parse("kind: Secret\ndata: {canary: [}\n", "ml").unwrap_err();
        assert!(why.contains("line 2"), "{why}");
        assert!(!why.contains("canary"), "{why}");
    }

    #[test]
    fn a_key_given_twice_and_an_object_without_a_name_are_errors() {
        assert!(Manifest::parse("kind: A\nkind: B\n", "ml").is_err());
        assert!(
            Manifest::parse("kind: A\napiVersion: v1\n", "ml")
                .unwrap_err()
                .contains("object 1")
        );
    }

    #[test]
    fn lists_are_unpacked() {
        let text = "kind: List\napiVersion: v1\nitems:\n- {kind: A, apiVersion: v1, metadata: {name: a}}\n";
        assert_eq!(Manifest::parse(text, "ml").unwrap().objects[0].label(), "A/a");
    }
}
