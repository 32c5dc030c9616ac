//! The report of a run.

use serde::Serialize;
use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::report::{ExitCode, RunReport, StateName};

use crate::document::Document;
use crate::style::{BAD, FAINT, STRONG, StatusIcon};
use crate::text::{TextWriter, plain, span};
use crate::time::seconds;
use crate::{cause, traffic, verdict};

/// The kind of run that a report is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// A rollback.
    Rollback,
    /// Checks alone.
    Validation,
    /// An operator's change of traffic.
    Traffic,
    /// The end of a run that was cut off.
    Abort,
    /// The removal of a lock.
    Unlock,
}

impl ReportKind {
    fn document(self) -> &'static str {
        match self {
            Self::Rollback => "RollbackRun",
            Self::Validation => "ValidationRun",
            Self::Traffic => "RegistryRun",
            Self::Abort => "AbortRun",
            Self::Unlock => "UnlockRun",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Rollback => "Rollback of",
            Self::Validation => "Validation of",
            Self::Traffic => "Traffic of",
            Self::Abort => "Abort of a run on",
            Self::Unlock => "Lock of",
        }
    }

    fn meaning(self, report: &RunReport) -> &'static str {
        match (self, report.exit_code) {
            (Self::Rollback, ExitCode::Success) => "restored and serving",
            (Self::Validation, ExitCode::Success) => "serves as its manifest says, and every required check passed",
            (Self::Validation, ExitCode::Refused) => "not proved good; nothing was changed",
            (Self::Traffic, ExitCode::Success) => "as asked, and proved",
            (Self::Abort, ExitCode::Success) if report.outcome == StateName::Held => {
                "the run is ended, and the model is held out of traffic"
            }
            (Self::Abort, ExitCode::Success) => "the run is ended, and the model is as that run found it",
            (Self::Unlock, ExitCode::Success) => "the release is not locked",
            (_, code) => code.meaning(),
        }
    }
}

/// The report of a run, as the verb that ran it prints it.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(transparent)]
pub struct RunDocument<'a> {
    /// Kind of the run.
    #[serde(skip)]
    pub kind: ReportKind,
    /// The report.
    pub report: &'a RunReport,
}

impl Document for RunDocument<'_> {
    fn kind(&self) -> &'static str {
        self.kind.document()
    }

    fn write(&self, out: &mut TextWriter) {
        let report = self.report;
        header(out, self.kind, report);
        failure(out, report);
        causes(out, report);
        states(out, report);
        checks(out, report);
        traffic(out, report);
        out.list("Notes", &report.notes);
        out.list("Next", &report.next);
        out.list("Kept", &report.artifacts);
    }
}

/// The icon of an outcome.
pub(crate) fn outcome_icon(outcome: StateName) -> StatusIcon {
    match outcome {
        StateName::Done => StatusIcon::Done,
        StateName::Unchanged => StatusIcon::Attention,
        StateName::Unknown => StatusIcon::Unsure,
        _ => StatusIcon::Failed,
    }
}

fn header(out: &mut TextWriter, kind: ReportKind, report: &RunReport) {
    let title = format!("{} {}/{}", kind.title(), report.namespace, report.release);
    out.line(
        0,
        &[
            span(STRONG, title),
            plain(format!("  {}", route(out.arrow(), kind, report))),
        ],
    );
    let mark = outcome_icon(report.outcome);
    let outcome = [
        span(mark.style(), report.outcome.to_string()),
        plain(format!(
            ": {} (exit {})",
            kind.meaning(report),
            report.exit_code.number()
        )),
    ];
    out.field_spans("Outcome", &outcome);
    out.field(
        "Run",
        format!("{}  {}  {}", report.run_id, report.started, seconds(report.seconds)),
    );
    if let Some(by) = &report.by {
        out.field("By", by);
    }
    if let Some(reason) = &report.reason {
        out.field("Reason", reason);
    }
}

/// `3 → 1 (now revision 4)`.
fn route(arrow: &str, kind: ReportKind, report: &RunReport) -> String {
    if kind == ReportKind::Validation {
        return report
            .to_revision
            .map(|revision| format!("revision {revision}"))
            .unwrap_or_default();
    }
    if report.from_revision.is_none() && report.to_revision.is_none() {
        return String::new();
    }
    let [from, to] = [report.from_revision, report.to_revision]
        .map(|revision| revision.map_or_else(|| "?".to_owned(), |r| r.to_string()));
    let made = report.new_revision.map(|r| format!(" (now revision {r})"));
    format!("{from} {arrow} {to}{}", made.unwrap_or_default())
}

fn failure(out: &mut TextWriter, report: &RunReport) {
    let Some(failure) = &report.failure else {
        return;
    };
    out.heading("Why");
    out.styled(2, BAD, &failure.what);
    out.labelled(2, "cause: ", &failure.why);
    let more = failure.next.iter().filter(|next| !report.next.contains(next));
    out.labelled(2, "fix:   ", more);
}

fn causes(out: &mut TextWriter, report: &RunReport) {
    if report.causes.is_empty() {
        return;
    }
    out.heading("Causes seen");
    for seen in &report.causes {
        out.marked(2, cause::icon(seen), &cause::spans(seen));
        cause::details(out, 6, seen);
    }
}

fn states(out: &mut TextWriter, report: &RunReport) {
    if report.states.is_empty() {
        return;
    }
    out.heading("States");
    for state in &report.states {
        let name = span(STRONG, format!("{:<12} ", state.name));
        let took = span(FAINT, format!("{:>7}  ", seconds(state.seconds)));
        let mut evidence = state.evidence.iter();
        let first = plain(evidence.next().cloned().unwrap_or_default());
        let mark = match state.name {
            StateName::Held | StateName::Unchanged | StateName::Unknown => outcome_icon(state.name),
            _ => StatusIcon::Done,
        };
        out.marked(2, mark, &[name, took, first]);
        for more in evidence {
            out.plain(26, more);
        }
    }
}

fn checks(out: &mut TextWriter, report: &RunReport) {
    if report.checks.is_empty() && report.checks_planned.is_empty() {
        return;
    }
    out.heading("Checks");
    for one in &report.checks {
        let mut spans = vec![span(FAINT, format!("{:<8}", one.phase))];
        spans.extend(verdict::spans(one));
        out.marked(2, one.outcome.into(), &spans);
        verdict::details(out, 6, one);
    }
    verdict::skipped(out, &report.checks_planned);
    let passed = report.checks.iter().filter(|one| one.outcome == Outcome::Pass).count();
    out.styled(2, FAINT, format!("{passed} of {} passed", report.checks.len()));
}

fn traffic(out: &mut TextWriter, report: &RunReport) {
    if report.traffic_before.is_none() && report.traffic_after.is_none() {
        return;
    }
    out.heading("Traffic");
    for (when, state) in [("before", &report.traffic_before), ("after", &report.traffic_after)] {
        if let Some(state) = state {
            out.line(2, &[span(FAINT, format!("{when:<8}")), plain(traffic::line(state))]);
            traffic::evidence(out, state);
        }
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::Failure;

    use super::*;
    use crate::fixtures;
    use crate::style::Glyphs;

    #[test]
    fn a_report_reads_from_outcome_to_proof_to_what_comes_next() {
        let report = fixtures::report();
        let document = RunDocument {
            kind: ReportKind::Rollback,
            report: &report,
        };
        assert_eq!(
            fixtures::plain_text_in(Glyphs::Unicode, &document),
            "\
Rollback of prod/llama  3 → 1 (now revision 4)
Outcome   done: restored and serving (exit 0)
Run       01J0000000000000000000TEST  2026-01-02T03:04:05Z  42.1s
By        ann
Reason    crash loop

States
  ✔ fenced         0.31s  EndpointSlice llama-x: no endpoint
                          in flight: 0

Checks
  ✔ direct  completion       answered in time  latency 412 ms (limit 3000 ms)  pod llama-1
  - router-e2e       not run: no router is known
  1 of 1 passed

Traffic
  before  enabled (service driver) at Service/llama:8000
          EndpointSlice llama-x: 1 ready
  after   enabled (service driver) at Service/llama:8000
          EndpointSlice llama-x: 1 ready

Notes
  the next helm upgrade is written client-side

Next
  kubectl vllm-rollback status llama -n prod

Kept
  /state/run.jsonl
"
        );
    }

    #[test]
    fn a_held_run_names_the_failure_and_every_cause() {
        let mut report = fixtures::report();
        report.outcome = StateName::Held;
        report.exit_code = ExitCode::HeldRollbackFailed;
        report.failure = Some(Failure::timeout("revision 4 did not get ready").because("crash loop"));
        report.causes = vec![fixtures::cause()];
        let text = fixtures::plain_text(&RunDocument {
            kind: ReportKind::Rollback,
            report: &report,
        });
        assert!(
            text.contains("Outcome   held: the rollback failed: the model is held out of traffic (exit 11)\n"),
            "{text}"
        );
        assert!(
            text.contains("Why\n  revision 4 did not get ready\n  cause: crash loop\n"),
            "{text}"
        );
        assert!(
            text.contains("  XX Pod/llama-1 container vllm: exits again and again, exit code 1\n"),
            "{text}"
        );
    }

    #[test]
    fn a_validation_is_told_as_such() {
        let mut report = fixtures::report();
        report.outcome = StateName::Unchanged;
        report.exit_code = ExitCode::Refused;
        let text = fixtures::plain_text(&RunDocument {
            kind: ReportKind::Validation,
            report: &report,
        });
        assert!(
            text.starts_with("Validation of prod/llama  revision 1\nOutcome   unchanged: not proved good"),
            "{text}"
        );
    }

    #[test]
    fn the_json_report_is_a_versioned_document_with_the_exit_code_as_a_number() {
        let value = fixtures::json(&RunDocument {
            kind: ReportKind::Rollback,
            report: &fixtures::report(),
        });
        assert_eq!(value["apiVersion"], "vllm-rollback/v1");
        assert_eq!(value["kind"], "RollbackRun");
        assert_eq!(value["exit_code"], 0);
        assert_eq!(value["states"][0]["name"], "fenced");
    }
}
