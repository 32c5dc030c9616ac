//! The verdicts of checks that ran on their own.

use serde::Serialize;
use vllm_rollback_engine::check::{CheckSpec, Outcome, Verdict};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::release::{ReleaseRef, Revision};

use crate::json::{self, Kind};
use crate::look::{FAINT, Glyphs, Mark, STRONG};
use crate::page::{Page, plain, span};
use crate::verdict;

/// The verdicts of checks that ran on their own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Validation {
    /// The release.
    #[serde(flatten)]
    pub release: ReleaseRef,
    /// The revision that was checked.
    pub revision: Revision,
    /// Every required check passed.
    pub passed: bool,
    /// The checks that were meant to run.
    pub checks_planned: Vec<CheckSpec>,
    /// What they found.
    pub checks: Vec<Verdict>,
    /// Why the release cannot be called good, beside the verdicts.
    pub problems: Vec<String>,
    /// What to type next, best first.
    pub next: Vec<String>,
}

/// Draws them for people.
pub fn table(validation: &Validation, glyphs: Glyphs) -> String {
    let mut page = Page::new(glyphs);
    let (mark, word) = if validation.passed {
        (Mark::Done, "passed")
    } else {
        (Mark::Failed, "not passed")
    };
    page.marked(
        0,
        mark,
        &[
            span(
                STRONG,
                format!("{} revision {}: ", validation.release, validation.revision),
            ),
            span(mark.style(), word),
        ],
    );
    for one in &validation.checks {
        let mut spans = vec![span(FAINT, format!("{:<8}", verdict::phase_word(one.phase)))];
        spans.extend(verdict::spans(one));
        page.marked(2, one.outcome.into(), &spans);
        verdict::details(&mut page, 6, one);
    }
    verdict::skipped(&mut page, &validation.checks_planned);
    for problem in &validation.problems {
        page.marked(2, Mark::Failed, &[plain(problem.clone())]);
    }
    let passed = validation
        .checks
        .iter()
        .filter(|one| one.outcome == Outcome::Pass)
        .count();
    page.line(
        2,
        &[span(FAINT, format!("{passed} of {} passed", validation.checks.len()))],
    );
    page.list("Next", &validation.next);
    page.finish()
}

/// Draws them for programs.
///
/// # Errors
/// As [`json::document`].
pub fn json(validation: &Validation) -> Result<String, Failure> {
    json::document(Kind::ValidationRun, validation)
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::check::Phase;

    use super::*;
    use crate::samples;

    #[test]
    fn a_validation_says_what_passed_what_failed_and_what_did_not_run() {
        let validation = Validation {
            release: ReleaseRef {
                namespace: "prod".into(),
                name: "llama".into(),
            },
            revision: Revision(4),
            passed: false,
            checks_planned: vec![samples::spec("router-e2e", Phase::Routed, Some("no router is known"))],
            checks: vec![samples::verdict(Outcome::Fail)],
            problems: vec!["no pod serves".into()],
            next: Vec::new(),
        };
        let text = anstream::adapter::strip_str(&table(&validation, Glyphs::Unicode)).to_string();
        assert!(text.starts_with("✖ prod/llama revision 4: not passed\n"), "{text}");
        assert!(
            text.contains("  - router-e2e       not run: no router is known\n"),
            "{text}"
        );
        assert!(text.ends_with("  ✖ no pod serves\n  0 of 1 passed\n"), "{text}");
    }
}
