//! Release records and what earlier runs left → the rows of a history.

use serde::Serialize;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::journal::RunState;
use vllm_rollback_engine::release::{ReleaseRecord, ReleaseStatus, Revision, RevisionSummary};

/// One revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its number.
    pub revision: Revision,
    /// Its status.
    pub status: ReleaseStatus,
    /// RFC 3339 time of the operation.
    pub updated: Option<String>,
    /// `name-version`.
    pub chart: Option<String>,
    /// Helm's or the operator's text; why the record cannot be read, when it cannot.
    pub description: String,
    /// What this tool knows of it, most important first.
    pub marks: Vec<RevisionTag>,
    /// Why a run rolled back from it.
    pub rejected_because: Option<String>,
}

/// What this tool knows of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionTag {
    /// The newest revision in any status.
    Current,
    /// Where `rollback` without a number goes.
    LastGood,
    /// A run rolled back from it, so it is never chosen again unless named.
    Rejected,
    /// A run took it out of traffic, and nobody gave it back yet.
    Held,
    /// Its record cannot be read.
    Unreadable,
}

impl RevisionTag {
    /// The word for people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::LastGood => "last good",
            Self::Rejected => "rejected",
            Self::Held => "held",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A release record, or why it cannot be read.
type ReadRecord = Result<ReleaseRecord, Failure>;

/// Builds the rows of revisions, ascending. `last_good` is where a rollback without a number goes.
pub fn rows(revisions: &[(RevisionSummary, ReadRecord)], memory: &RunState, last_good: Option<Revision>) -> Vec<Row> {
    let rows = revisions.iter().map(|(summary, record)| row(summary, record, memory));
    let mut rows: Vec<Row> = rows.collect();
    mark_the_ends(&mut rows, memory, last_good);
    rows
}

fn row(summary: &RevisionSummary, record: &ReadRecord, memory: &RunState) -> Row {
    let mut marks = Vec::new();
    let readable = record.as_ref().ok();
    let digest = readable.map(|record| record.manifest_sha256.as_str());
    let rejected =
        memory.rejected.iter().rev().find(|rejected| {
            rejected.revision == summary.revision.0 && digest == Some(rejected.manifest_sha256.as_str())
        });
    if rejected.is_some() {
        marks.push(RevisionTag::Rejected);
    }
    if record.is_err() {
        marks.push(RevisionTag::Unreadable);
    }
    Row {
        revision: summary.revision,
        status: summary.status,
        updated: readable.and_then(|record| record.last_deployed.as_deref().map(to_the_second)),
        chart: readable.map(|record| format!("{}-{}", record.chart, record.chart_version)),
        description: match record {
            Ok(record) => record.description.clone(),
            Err(failure) => failure.to_string(),
        },
        marks,
        rejected_because: rejected.map(|rejected| rejected.reason.clone()),
    }
}

/// Helm writes nanoseconds, and the zone of whoever ran it.
fn to_the_second(time: &str) -> String {
    time.parse::<jiff::Timestamp>().map_or_else(
        |_| time.to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// Marks the newest revision, which is the one that is held out of traffic, and where a rollback without a number goes.
fn mark_the_ends(rows: &mut [Row], memory: &RunState, last_good: Option<Revision>) {
    for row in rows.iter_mut().filter(|row| Some(row.revision) == last_good) {
        row.marks.insert(0, RevisionTag::LastGood);
    }
    if let Some(newest) = rows.last_mut() {
        let held = memory.held.as_ref().map(|_| RevisionTag::Held);
        let tags = [RevisionTag::Current].into_iter().chain(held);
        newest.marks.splice(0..0, tags);
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::journal::{Rejected, TrafficHold};
    use vllm_rollback_engine::release::{ApplyMethod, ReleaseRef};
    use vllm_rollback_engine::traffic::{TrafficState, TrafficStatus};

    use super::*;

    fn summary(revision: u32) -> RevisionSummary {
        RevisionSummary {
            revision: Revision(revision),
            status: ReleaseStatus::Failed,
            record: format!("sh.helm.release.v1.llama.v{revision}"),
        }
    }

    fn record(revision: u32) -> ReleaseRecord {
        ReleaseRecord {
            release: ReleaseRef {
                namespace: "prod".into(),
                name: "llama".into(),
            },
            revision: Revision(revision),
            status: ReleaseStatus::Failed,
            description: "timed out".into(),
            rolled_back_to: None,
            last_deployed: None,
            chart: "vllm".into(),
            chart_version: "0.1.0".into(),
            app_version: None,
            apply_method: ApplyMethod::ClientSide,
            manifest: String::new(),
            manifest_sha256: "ab".into(),
            hooks: Vec::new(),
        }
    }

    #[test]
    fn a_revision_that_was_rolled_back_from_is_marked_unless_its_number_was_given_to_another_manifest() {
        let rejected = |sha: &str| RunState {
            rejected: vec![Rejected {
                revision: 2,
                manifest_sha256: sha.into(),
                reason: "crash loop".into(),
            }],
            ..RunState::default()
        };
        let same = row(&summary(2), &Ok(record(2)), &rejected("ab"));
        assert_eq!(same.marks, [RevisionTag::Rejected]);
        assert_eq!(same.rejected_because.as_deref(), Some("crash loop"));
        assert!(row(&summary(2), &Ok(record(2)), &rejected("cd")).marks.is_empty());
    }

    #[test]
    fn an_unreadable_record_is_shown_with_the_reason() {
        let broken = Err(Failure::invalid("not gzip"));
        let row = row(&summary(1), &broken, &RunState::default());
        assert_eq!(row.marks, [RevisionTag::Unreadable]);
        assert_eq!(row.description, "not gzip");
    }

    #[test]
    fn times_are_shown_to_the_second_in_utc() {
        assert_eq!(
            to_the_second("2026-11-24T08:51:27.170795886+01:00"),
            "2026-11-24T07:51:27Z"
        );
        assert_eq!(to_the_second("yesterday"), "yesterday");
    }

    #[test]
    fn the_newest_is_current_and_the_target_is_last_good() {
        let memory = RunState::default();
        let mut rows = [1, 2].map(|n| row(&summary(n), &Ok(record(n)), &memory));
        mark_the_ends(&mut rows, &memory, Some(Revision(1)));
        assert_eq!(rows[0].marks, [RevisionTag::LastGood]);
        assert_eq!(rows[1].marks, [RevisionTag::Current]);
    }

    #[test]
    fn while_a_run_holds_the_model_the_newest_is_held() {
        let memory = RunState {
            held: Some(TrafficHold {
                run_id: "run-1".into(),
                since: "2026-11-24T08:51:27Z".into(),
                reason: "a check failed".into(),
                prior: TrafficState {
                    driver: "service".into(),
                    status: TrafficStatus::Enabled,
                    token: serde_json::Value::Null,
                    endpoint: None,
                    evidence: Vec::new(),
                },
            }),
            ..RunState::default()
        };
        let revisions = [1, 2].map(|n| (summary(n), Ok(record(n))));
        let rows = rows(&revisions, &memory, Some(Revision(1)));
        assert_eq!(rows[0].marks, [RevisionTag::LastGood]);
        assert_eq!(rows[1].marks, [RevisionTag::Current, RevisionTag::Held]);
    }
}
