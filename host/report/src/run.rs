//! The report of a run.

use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::Revision;
use vllm_rollback_engine::report::{ExitCode, RunReport, StateName};
use vllm_rollback_engine::traffic::TrafficState;

use crate::json::{self, Kind};
use crate::look::{BAD, FAINT, Glyphs, Mark, STRONG};
use crate::page::{Page, plain, span};
use crate::time::seconds;
use crate::{cause, verdict};

/// What a report is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
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

impl Of {
    /// What its document is.
    fn kind(self) -> Kind {
        match self {
            Self::Rollback => Kind::RollbackRun,
            Self::Validation => Kind::ValidationRun,
            Self::Traffic => Kind::RegistryRun,
            Self::Abort => Kind::AbortRun,
            Self::Unlock => Kind::UnlockRun,
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

/// Draws the report of a rollback for people.
pub fn table(report: &RunReport, glyphs: Glyphs) -> String {
    table_of(Of::Rollback, report, glyphs)
}

/// Draws a report for people.
pub fn table_of(of: Of, report: &RunReport, glyphs: Glyphs) -> String {
    let mut page = Page::new(glyphs);
    header(&mut page, of, report);
    failure(&mut page, report);
    states(&mut page, report);
    checks(&mut page, report);
    traffic(&mut page, report);
    page.list("Notes", &report.notes);
    page.list("Next", &report.next);
    page.list("Kept", &report.artifacts);
    page.finish()
}

/// Draws the report of a rollback for programs.
///
/// # Errors
/// As [`json::document`].
pub fn json(report: &RunReport) -> Result<String, Failure> {
    json_of(Of::Rollback, report)
}

/// Draws a report for programs.
///
/// # Errors
/// As [`json::document`].
pub fn json_of(of: Of, report: &RunReport) -> Result<String, Failure> {
    json::document(of.kind(), report)
}

/// The mark of an outcome.
pub(crate) fn outcome_mark(outcome: StateName) -> Mark {
    match outcome {
        StateName::Done => Mark::Done,
        StateName::Unchanged => Mark::Attention,
        StateName::Unknown => Mark::Unsure,
        _ => Mark::Failed,
    }
}

fn header(page: &mut Page, of: Of, report: &RunReport) {
    let title = format!("{} {}/{}", of.title(), report.namespace, report.release);
    page.line(
        0,
        &[
            span(STRONG, title),
            plain(format!("  {}", route(page.arrow(), of, report))),
        ],
    );
    let mark = outcome_mark(report.outcome);
    let outcome = [
        span(mark.style(), report.outcome.word()),
        plain(format!(": {} (exit {})", of.meaning(report), report.exit_code.number())),
    ];
    page.field("Outcome", &outcome);
    page.field(
        "Run",
        &[plain(format!(
            "{}  {}  {}",
            report.run_id,
            report.started,
            seconds(report.seconds)
        ))],
    );
    if let Some(by) = &report.by {
        page.field("By", &[plain(by.clone())]);
    }
    if let Some(reason) = &report.reason {
        page.field("Reason", &[plain(reason.clone())]);
    }
}

/// `3 → 1 (now revision 4)`.
fn route(arrow: &str, of: Of, report: &RunReport) -> String {
    if of == Of::Validation {
        return report
            .to_revision
            .map(|revision| format!("revision {revision}"))
            .unwrap_or_default();
    }
    let number = |revision: Option<Revision>| revision.map_or_else(|| "?".to_owned(), |r| r.to_string());
    let made = report
        .new_revision
        .map(|r| format!(" (now revision {r})"))
        .unwrap_or_default();
    if report.from_revision.is_none() && report.to_revision.is_none() {
        return String::new();
    }
    format!(
        "{} {arrow} {}{made}",
        number(report.from_revision),
        number(report.to_revision)
    )
}

fn failure(page: &mut Page, report: &RunReport) {
    let Some(failure) = &report.failure else {
        causes(page, report);
        return;
    };
    page.heading("Why");
    page.line(2, &[span(BAD, failure.what.clone())]);
    for why in &failure.why {
        page.line(2, &[span(FAINT, "cause: "), plain(why.clone())]);
    }
    for next in failure.next.iter().filter(|next| !report.next.contains(next)) {
        page.line(2, &[span(FAINT, "fix:   "), plain(next.clone())]);
    }
    causes(page, report);
}

fn causes(page: &mut Page, report: &RunReport) {
    if report.causes.is_empty() {
        return;
    }
    page.heading("Causes seen");
    for seen in &report.causes {
        let mark = if seen.terminal { Mark::Failed } else { Mark::Attention };
        page.marked(2, mark, &cause::spans(seen));
        cause::details(page, 6, seen);
    }
}

fn states(page: &mut Page, report: &RunReport) {
    if report.states.is_empty() {
        return;
    }
    page.heading("States");
    for state in &report.states {
        let name = span(STRONG, format!("{:<12} ", state.name.word()));
        let took = span(FAINT, format!("{:>7}  ", seconds(state.seconds)));
        let mut evidence = state.evidence.iter();
        let first = plain(evidence.next().cloned().unwrap_or_default());
        let mark = match state.name {
            StateName::Held | StateName::Unchanged | StateName::Unknown => outcome_mark(state.name),
            _ => Mark::Done,
        };
        page.marked(2, mark, &[name, took, first]);
        for more in evidence {
            page.line(26, &[plain(more.clone())]);
        }
    }
}

fn checks(page: &mut Page, report: &RunReport) {
    if report.checks.is_empty() && report.checks_planned.is_empty() {
        return;
    }
    page.heading("Checks");
    for one in &report.checks {
        let mut spans = vec![span(FAINT, format!("{:<8}", verdict::phase_word(one.phase)))];
        spans.extend(verdict::spans(one));
        page.marked(2, one.outcome.into(), &spans);
        verdict::details(page, 6, one);
    }
    verdict::skipped(page, &report.checks_planned);
    let passed = report.checks.iter().filter(|one| one.outcome == Outcome::Pass).count();
    page.line(2, &[span(FAINT, format!("{passed} of {} passed", report.checks.len()))]);
}

fn traffic(page: &mut Page, report: &RunReport) {
    if report.traffic_before.is_none() && report.traffic_after.is_none() {
        return;
    }
    page.heading("Traffic");
    for (when, state) in [("before", &report.traffic_before), ("after", &report.traffic_after)] {
        if let Some(state) = state {
            page.line(2, &[span(FAINT, format!("{when:<8}")), plain(traffic_line(state))]);
            for line in &state.evidence {
                page.line(10, &[span(FAINT, line.clone())]);
            }
        }
    }
}

/// `enabled (service driver) at Service/llama:8000`.
pub(crate) fn traffic_line(state: &TrafficState) -> String {
    let at = state.endpoint.as_ref().map(|e| format!(" at {e}")).unwrap_or_default();
    format!("{} ({} driver){at}", state.status.word(), state.driver)
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;
    use crate::samples;

    #[test]
    fn a_report_reads_from_outcome_to_proof_to_what_comes_next() {
        let text = table(&samples::report(), Glyphs::Unicode);
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
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
        let mut report = samples::report();
        report.outcome = StateName::Held;
        report.exit_code = ExitCode::HeldRollbackFailed;
        report.failure = Some(Failure::new(FailureKind::Timeout, "revision 4 did not get ready").because("crash loop"));
        report.causes = vec![samples::cause()];
        let text = anstream::adapter::strip_str(&table(&report, Glyphs::Ascii)).to_string();
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
        let mut report = samples::report();
        report.outcome = StateName::Unchanged;
        report.exit_code = ExitCode::Refused;
        let text = anstream::adapter::strip_str(&table_of(Of::Validation, &report, Glyphs::Ascii)).to_string();
        assert!(
            text.starts_with("Validation of prod/llama  revision 1\nOutcome   unchanged: not proved good"),
            "{text}"
        );
    }

    #[test]
    fn the_json_report_is_a_versioned_document_with_the_exit_code_as_a_number() {
        let value: serde_json::Value = serde_json::from_str(&json(&samples::report()).unwrap()).unwrap();
        assert_eq!(value["apiVersion"], "vllm-rollback/v1");
        assert_eq!(value["kind"], "RollbackRun");
        assert_eq!(value["exit_code"], 0);
        assert_eq!(value["states"][0]["name"], "fenced");
    }
}
