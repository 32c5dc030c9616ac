//! A record's manifest, split into objects.

use std::fmt;

use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;

/// What makes two manifests' objects the same one. The version is left out: Helm patches an object across versions of
/// its group, and creates and deletes across groups (helm#31768, fixed in 4.1.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// API group; empty for the core group.
    pub group: String,
    /// `Deployment`.
    pub kind: String,
    /// As written in the object; the release's namespace when it says none.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// An object of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Which one.
    pub identity: Identity,
    /// Its content as JSON.
    pub value: Value,
}

/// Splits a manifest into its objects, in its order. `kind: List` is taken apart; empty documents are left out.
///
/// Scalars are read as Helm reads them (YAML 1.1: `0644` is octal, `yes` is true, the last of two equal keys wins).
///
/// # Errors
/// One line with the place of the trouble; it never quotes the manifest, which may hold Secrets.
pub fn split(manifest: &str) -> Result<Vec<Object>, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(manifest, options).map_err(|error| {
        error.location().map_or_else(
            || "its manifest is not YAML".to_owned(),
            |at| format!("its manifest is not YAML at line {}, column {}", at.line(), at.column()),
        )
    })?;
    let mut objects = Vec::with_capacity(documents.len());
    for document in documents {
        push(document, &mut objects)?;
    }
    Ok(objects)
}

/// What an object is, when it says so.
pub fn identify(value: &Value) -> Option<Identity> {
    let text = |value: &Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let api_version = value["apiVersion"].as_str()?;
    Some(Identity {
        group: api_version.split_once('/').map_or("", |(group, _)| group).to_owned(),
        kind: text(&value["kind"])?,
        namespace: text(&value["metadata"]["namespace"]),
        name: text(&value["metadata"]["name"])?,
    })
}

fn push(document: Value, objects: &mut Vec<Object>) -> Result<(), String> {
    if document.is_null() {
        return Ok(());
    }
    if document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"))
        && let Some(items) = document["items"].as_array()
    {
        return items.iter().try_for_each(|item| push(item.clone(), objects));
    }
    let Some(identity) = identify(&document) else {
        let number = objects.len() + 1;
        return Err(format!(
            "object {number} of its manifest has no apiVersion, kind or metadata.name"
        ));
    };
    objects.push(Object {
        identity,
        value: document,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_become_objects_in_order() {
        let manifest = "---\n# Source: a.yaml\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\n\
            apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: b, namespace: x}}\n";
        let objects = split(manifest).unwrap();
        let names: Vec<_> = objects.iter().map(|o| o.identity.to_string()).collect();
        assert_eq!(names, ["Deployment/a", "Service/b"]);
        assert_eq!(objects[0].identity.group, "apps");
        assert_eq!(objects[1].identity.namespace.as_deref(), Some("x"));
    }

    #[test]
    fn scalars_are_read_as_helm_reads_them() {
        let manifest = "apiVersion: v1\nkind: X\nmetadata: {name: a}\nmode: 0644\nmode: 0600\non: yes\nq: \"yes\"\n";
        let value = &split(manifest).unwrap()[0].value;
        assert_eq!(value["mode"], 0o600);
        assert_eq!((&value["on"], &value["q"]), (&Value::Bool(true), &Value::from("yes")));
    }

    #[test]
    fn trouble_is_placed_but_not_quoted() {
        let error = split("a: hunter2\nb: [hunter2\n").unwrap_err();
        assert!(error.contains("line") && !error.contains("hunter2"), "{error}");
        let error = split("apiVersion: v1\nkind: Secret\n").unwrap_err();
        assert!(error.contains("object 1"), "{error}");
    }

    #[test]
    fn an_empty_manifest_has_no_objects() {
        assert_eq!(split("").unwrap(), []);
        assert_eq!(split("---\n# nothing\n").unwrap(), []);
    }
}
