//! For programs: one JSON document, versioned like a Kubernetes object.

use serde::Serialize;
use vllm_rollback_engine::failure::Failure;

use crate::document::Document;

/// The version of all documents. Within `v1` fields are only added.
pub const API_VERSION: &str = "vllm-rollback/v1";

#[derive(Serialize)]
struct Versioned<'a, T> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

/// Renders a document for programs, indented, with a line break at its end.
///
/// # Errors
/// When it does not serialize as a JSON object: a defect of this tool.
pub fn json(document: &impl Document) -> Result<String, Failure> {
    let kind = document.kind();
    let versioned = Versioned {
        api_version: API_VERSION,
        kind,
        body: document,
    };
    serde_json::to_string_pretty(&versioned)
        .map(|text| text + "\n")
        .map_err(|error| Failure::internal(format!("cannot write the {kind} as JSON")).caused_by(&error))
}
