//! A revision's manifest as objects, read as Helm reads it.

mod scalar;
mod yaml;

use serde_json::Value;

use crate::identity::Object;
use crate::workload::{Service, Workload};

/// Largest manifest that is read, in bytes. A record in etcd is at most 1.5 MB of gzip, which text shrinks about tenfold.
const LIMIT: usize = 32 << 20;

/// All objects of a revision's manifest, in its order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Manifest {
    /// The objects; a List is taken apart.
    pub objects: Vec<Object>,
}

impl Manifest {
    /// Reads several YAML documents; empty ones are left out. Objects without a namespace get this one.
    ///
    /// # Errors
    /// One line with the place of the trouble; it never quotes the manifest, which may hold Secrets.
    pub fn parse(text: &str, namespace: &str) -> Result<Self, String> {
        if text.len() > LIMIT {
            return Err(format!("it is larger than {} MiB", LIMIT >> 20));
        }
        let mut manifest = Self::default();
        for (before, document) in documents(text)? {
            let read = yaml::read(document).map_err(|yaml::Trouble { line, column }| {
                format!("it is not valid YAML at line {}, column {column}", before + line)
            })?;
            if let Some(value) = read.filter(|value| !value.is_null()) {
                manifest.push(value, namespace)?;
            }
        }
        Ok(manifest)
    }

    /// A List is whatever has a list of items. Items that say neither version nor kind have those of the List, without the
    /// word `List` (k8s.io/apimachinery v0.35 `unstructured/helpers.go`, `decodeToList`).
    fn push(&mut self, mut value: Value, namespace: &str) -> Result<(), String> {
        let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else {
            let object = Object::read(value, namespace).ok_or_else(|| {
                format!(
                    "its object {} has no apiVersion, kind or metadata.name",
                    self.objects.len() + 1
                )
            })?;
            self.objects.push(object);
            return Ok(());
        };
        let kind = value["kind"].as_str().unwrap_or_default();
        let kind = kind.strip_suffix("List").unwrap_or(kind);
        for mut item in items {
            if item.is_object() && item["kind"].is_null() && item["apiVersion"].is_null() {
                item["kind"] = kind.into();
                item["apiVersion"] = value["apiVersion"].clone();
            }
            self.push(item, namespace)?;
        }
        Ok(())
    }

    /// Objects that run pods.
    pub fn workloads(&self) -> Vec<Workload<'_>> {
        self.objects.iter().filter_map(Workload::read).collect()
    }

    /// Services whose selector matches the pods of a workload.
    pub fn services(&self) -> Vec<Service<'_>> {
        let workloads = self.workloads();
        self.objects
            .iter()
            .filter_map(Service::read)
            .filter(|service| workloads.iter().any(|w| service.matches(w)))
            .collect()
    }

    /// Workloads that serve the model: those a Service selects, else all.
    pub fn serving_workloads(&self) -> Vec<Workload<'_>> {
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
    pub fn serving_port(&self, workload: &Workload<'_>) -> u16 {
        self.services()
            .iter()
            .filter(|s| s.matches(workload))
            .find_map(|s| s.target_port(workload))
            .or_else(|| workload.first_container_port())
            .unwrap_or(8000)
    }

    /// Has an object of this kind and name.
    pub fn creates(&self, kind: &str, name: &str) -> bool {
        self.objects.iter().any(|o| o.kind == kind && o.name == name)
    }
}

/// The documents of a stream, each with the number of lines before it. Helm splits before it parses, at lines that begin
/// with `---`, wherever they stand; only a comment may follow (k8s.io/apimachinery v0.35 `util/yaml/decoder.go`).
fn documents(text: &str) -> Result<Vec<(usize, &str)>, String> {
    let mut found = Vec::new();
    let (mut begin, mut first, mut position) = (0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if let Some(rest) = line.strip_prefix("---") {
            let rest = rest.trim();
            if !(rest.is_empty() || rest.starts_with('#')) {
                return Err(format!("text follows --- at line {}", number + 1));
            }
            found.push((first, &text[begin..position]));
            (begin, first) = (position + line.len(), number + 1);
        }
        position += line.len();
    }
    found.push((first, &text[begin..]));
    Ok(found)
}

#[cfg(test)]
mod tests;
