//! The revisions of a release, and what this tool knows of them.

mod rows;

use serde::Serialize;
use vllm_rollback_engine::release::{ReleaseRef, Revision};

use crate::document::Document;
use crate::text::TextWriter;

pub use rows::{RevisionTag, Row, rows};

/// The revisions of a release, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// The release.
    #[serde(flatten)]
    pub release: ReleaseRef,
    /// The revision that `rollback` without a number would go to.
    pub last_good: Option<Revision>,
    /// Rows, one per revision.
    pub revisions: Vec<Row>,
    /// Commands to type next.
    pub next: Vec<String>,
}

impl Document for History {
    fn kind(&self) -> &'static str {
        "ReleaseHistory"
    }

    fn write(&self, out: &mut TextWriter) {
        let rows = self.revisions.iter().map(row).collect();
        out.table(
            &["REVISION", "STATUS", "UPDATED", "CHART", "MARKS", "DESCRIPTION"],
            rows,
        );
        out.list("Next", &self.next);
    }
}

fn row(row: &Row) -> Vec<String> {
    let marks: Vec<&str> = row.marks.iter().map(|mark| mark.as_str()).collect();
    let description = match &row.rejected_because {
        Some(reason) => format!("{} (rolled back from: {reason})", row.description),
        None => row.description.clone(),
    };
    vec![
        row.revision.to_string(),
        row.status.to_string(),
        row.updated.clone().unwrap_or_else(|| "-".into()),
        row.chart.clone().unwrap_or_else(|| "-".into()),
        if marks.is_empty() { "-".into() } else { marks.join(", ") },
        description,
    ]
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::release::ReleaseStatus;

    use super::*;
    use crate::fixtures::{json, plain_text};

    fn history() -> History {
        let row = |revision, status, description: &str, marks: &[RevisionTag], rejected: Option<&str>| Row {
            revision: Revision(revision),
            status,
            updated: Some("2026-01-02T03:04:05Z".into()),
            chart: Some("vllm-0.1.0".into()),
            description: description.into(),
            marks: marks.to_vec(),
            rejected_because: rejected.map(str::to_owned),
        };
        History {
            release: ReleaseRef {
                namespace: "prod".into(),
                name: "llama".into(),
            },
            last_good: Some(Revision(1)),
            revisions: vec![
                row(
                    1,
                    ReleaseStatus::Superseded,
                    "Install complete",
                    &[RevisionTag::LastGood],
                    None,
                ),
                row(
                    2,
                    ReleaseStatus::Failed,
                    "timed out",
                    &[RevisionTag::Current, RevisionTag::Rejected],
                    Some("crash loop"),
                ),
            ],
            next: Vec::new(),
        }
    }

    #[test]
    fn a_history_marks_the_current_the_last_good_and_the_rejected_revision() {
        assert_eq!(
            plain_text(&history()),
            "\
REVISION  STATUS      UPDATED               CHART       MARKS              DESCRIPTION
1         superseded  2026-01-02T03:04:05Z  vllm-0.1.0  last good          Install complete
2         failed      2026-01-02T03:04:05Z  vllm-0.1.0  current, rejected  timed out (rolled back from: crash loop)
"
        );
    }

    #[test]
    fn the_json_history_names_the_release_and_its_marks() {
        let value = json(&history());
        assert_eq!(value["kind"], "ReleaseHistory");
        assert_eq!(value["name"], "llama");
        assert_eq!(value["revisions"][1]["marks"][1], "rejected");
    }
}
