//! A verb that failed before it had a result.

use serde::Serialize;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;

use crate::document::Document;
use crate::style::{BAD, FAINT, STRONG};
use crate::text::{TextWriter, plain, span};

/// Error of a verb that has no result: text on stderr, and with a format for programs a document on stdout.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorDocument {
    /// The exit code of the process.
    pub exit_code: ExitCode,
    /// Error: what happened, why, and what to type next.
    pub failure: Failure,
    /// Present state of the model, for people.
    #[serde(skip)]
    pub state: Option<&'static str>,
}

impl Document for ErrorDocument {
    fn kind(&self) -> &'static str {
        "Error"
    }

    fn write(&self, out: &mut TextWriter) {
        let failure = &self.failure;
        out.line(0, &[span(BAD, "error: "), span(STRONG, failure.what.clone())]);
        out.labelled(0, "cause: ", &failure.why);
        if let Some(state) = self.state {
            out.line(0, &[span(FAINT, "state: "), plain(state)]);
        }
        out.labelled(0, "next:  ", &failure.next);
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;
    use crate::fixtures::plain_text;
    use crate::render;

    #[test]
    fn a_failure_says_what_why_where_it_stands_and_what_to_type() {
        let error = ErrorDocument {
            exit_code: ExitCode::Refused,
            failure: Failure::new(FailureKind::Unreachable, "cannot reach the cluster")
                .because("connection refused\u{1b}[2J")
                .next("kubectl cluster-info"),
            state: Some("nothing was changed"),
        };
        assert_eq!(
            plain_text(&error),
            "error: cannot reach the cluster\ncause: connection refused\nstate: nothing was changed\nnext:  kubectl cluster-info\n"
        );
    }

    #[test]
    fn every_document_says_its_version_and_kind_first() {
        let error = ErrorDocument {
            exit_code: ExitCode::Refused,
            failure: Failure::not_found("no release \"x\"").next("helm list -A"),
            state: Some("nothing was changed"),
        };
        let text = render::json(&error).unwrap();
        assert!(
            text.starts_with("{\n  \"apiVersion\": \"vllm-rollback/v1\",\n  \"kind\": \"Error\",\n  \"exit_code\": 1"),
            "{text}"
        );
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["failure"]["kind"], "not-found");
        assert_eq!(value["failure"]["next"][0], "helm list -A");
        assert_eq!(value.as_object().map(serde_json::Map::len), Some(4), "{text}");
    }
}
