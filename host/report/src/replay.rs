//! A journal that was run again.

use vllm_rollback_engine::journal::{Entry, RecordKind};
use vllm_rollback_engine::replay::{Replay, ReplayEnd};

use crate::document::Document;
use crate::style::{FAINT, StatusIcon};
use crate::text::{TextWriter, plain, span};

impl Document for Replay {
    fn kind(&self) -> &'static str {
        "JournalReplay"
    }

    fn write(&self, out: &mut TextWriter) {
        out.heading(&format!("Replay of run {}", self.run_id));
        for entry in &self.records {
            write_record(out, entry);
        }
        out.gap();
        if let Some(gap) = &self.gap {
            let line = format!("the journal cannot be trusted any further: {gap}");
            out.marked(0, StatusIcon::Attention, &[plain(line)]);
        }
        match &self.end {
            ReplayEnd::Ended { state, exit_code } => {
                let line = format!("this version goes the same way to the end: {state}, exit code {exit_code}");
                out.marked(0, StatusIcon::Done, &[plain(line)]);
            }
            ReplayEnd::CutOff { open, next } => {
                let line = "this version goes the same way, until the journal ends";
                out.marked(0, StatusIcon::Unsure, &[plain(line)]);
                for key in open {
                    out.plain(2, format!("whether \"{key}\" was done is not recorded"));
                }
                if let Some(next) = next {
                    out.plain(2, format!("next it would write: {}: {}", next.state, said(next)));
                }
            }
            ReplayEnd::Parted { journal, this_version } => {
                let line = format!("record {}: this version would do something else", journal.seq);
                out.marked(0, StatusIcon::Failed, &[plain(line)]);
                out.plain(2, format!("the journal:  {}: {}", journal.state, said(journal)));
                let ours = this_version.as_ref();
                let ours = ours.map_or_else(
                    || "nothing more".to_owned(),
                    |ours| format!("{}: {}", ours.state, said(ours)),
                );
                out.plain(2, format!("this version: {ours}"));
            }
        }
    }
}

fn write_record(out: &mut TextWriter, entry: &Entry) {
    let state = format!("{:<12} ", entry.state);
    out.line(
        0,
        &[
            span(FAINT, format!("{:>3}  ", entry.seq)),
            plain(state),
            plain(said(entry)),
        ],
    );
    if let RecordKind::Observed { evidence } = &entry.edge {
        for line in evidence {
            out.styled(20, FAINT, line);
        }
    }
}

fn said(entry: &Entry) -> String {
    match &entry.edge {
        RecordKind::Intent { key, .. } => format!("about to: {key}"),
        RecordKind::Observed { .. } => "reached".to_owned(),
        RecordKind::Finished { exit_code, summary } => format!("ended with {exit_code}: {summary}"),
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::report::StateName;

    use super::*;
    use crate::fixtures::plain_text;

    fn entry(seq: u64, edge: RecordKind) -> Entry {
        Entry {
            seq,
            run_id: "01J".into(),
            at: "2026-01-02T03:04:05Z".into(),
            state: StateName::Fenced,
            edge,
        }
    }

    fn intent(key: &str) -> Entry {
        let data = serde_json::json!({});
        entry(1, RecordKind::Intent { key: key.into(), data })
    }

    fn drawn(end: ReplayEnd) -> String {
        let seen = RecordKind::Observed {
            evidence: vec!["no endpoint".into()],
        };
        let replay = Replay {
            run_id: "01J".into(),
            records: vec![intent("fence service 01J"), entry(2, seen)],
            end,
            gap: None,
        };
        plain_text(&replay)
    }

    #[test]
    fn each_record_is_shown_with_its_state_and_evidence() {
        let text = drawn(ReplayEnd::Ended {
            state: StateName::Done,
            exit_code: 0,
        });
        assert!(text.contains("fenced       about to: fence service 01J"), "{text}");
        assert!(text.contains("no endpoint"), "{text}");
        assert!(text.contains("the same way to the end: done, exit code 0"), "{text}");
    }

    #[test]
    fn a_journal_that_ends_early_names_what_is_not_known() {
        let text = drawn(ReplayEnd::CutOff {
            open: vec!["helm-rollback 2 to 1".into()],
            next: Some(intent("watch 3")),
        });
        assert!(
            text.contains("whether \"helm-rollback 2 to 1\" was done is not recorded"),
            "{text}"
        );
        assert!(
            text.contains("next it would write: fenced: about to: watch 3"),
            "{text}"
        );
    }

    #[test]
    fn two_versions_that_part_are_shown_beside_each_other() {
        let text = drawn(ReplayEnd::Parted {
            journal: intent("old"),
            this_version: Some(intent("new")),
        });
        assert!(
            text.contains("record 1: this version would do something else"),
            "{text}"
        );
        assert!(
            text.contains("about to: old") && text.contains("about to: new"),
            "{text}"
        );
    }
}
