//! Results for programs: one JSON document, versioned like a Kubernetes object.

use serde::Serialize;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::report::ExitCode;

/// The version of all documents. Within `v1` fields are only added.
pub const API_VERSION: &str = "vllm-rollback/v1";

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// The report of a run.
    RollbackRun,
    /// A plan.
    RollbackPlan,
    /// A release's revisions.
    ReleaseHistory,
    /// What a release is and does now.
    ReleaseStatus,
    /// The report of checks that ran on their own.
    ValidationRun,
    /// The report of an operator's change of traffic.
    RegistryRun,
    /// The report of the end of a run that was cut off.
    AbortRun,
    /// The report of the removal of a lock.
    UnlockRun,
    /// A model's place in traffic.
    RegistryStatus,
    /// The tool's versions.
    Version,
    /// Why there is no other document.
    Error,
}

#[derive(Serialize)]
struct Document<'a, T> {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: Kind,
    #[serde(flatten)]
    body: &'a T,
}

/// Draws a document, indented, with a line break at its end.
///
/// # Errors
/// When `body` is not a JSON object: a defect of this tool.
pub fn document<T: Serialize>(kind: Kind, body: &T) -> Result<String, Failure> {
    let document = Document {
        api_version: API_VERSION,
        kind,
        body,
    };
    serde_json::to_string_pretty(&document)
        .map(|text| text + "\n")
        .map_err(|error| {
            Failure::new(FailureKind::Internal, format!("cannot write the {kind:?} as JSON")).caused_by(&error)
        })
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    exit_code: ExitCode,
    failure: &'a Failure,
}

/// The document that stands on stdout when a verb failed before it had a result.
///
/// # Errors
/// As [`document`].
pub fn error(failure: &Failure, exit_code: ExitCode) -> Result<String, Failure> {
    document(Kind::Error, &ErrorBody { exit_code, failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_says_its_version_and_kind_first() {
        let failure = Failure::new(FailureKind::NotFound, "no release \"x\"").next("helm list -A");
        let text = error(&failure, ExitCode::Refused).unwrap();
        assert!(
            text.starts_with("{\n  \"apiVersion\": \"vllm-rollback/v1\",\n  \"kind\": \"Error\",\n  \"exit_code\": 1"),
            "{text}"
        );
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["failure"]["kind"], "not-found");
        assert_eq!(value["failure"]["next"][0], "helm list -A");
    }
}
