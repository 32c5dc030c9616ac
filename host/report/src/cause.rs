//! A named cause, as words.

use vllm_rollback_engine::workload::Cause;

use crate::clean;
use crate::look::{FAINT, STRONG};
use crate::page::{Page, Span, plain, span};

/// The pieces of a cause's line: object and message.
pub(crate) fn spans(cause: &Cause) -> Vec<Span> {
    vec![
        span(STRONG, format!("{}: ", cause.object)),
        plain(cause.message.clone()),
    ]
}

/// Evidence and what helps, below a cause's line.
pub(crate) fn details(page: &mut Page, indent: usize, cause: &Cause) {
    for evidence in &cause.evidence {
        for one in clean::lines(evidence) {
            page.line(indent, &[span(FAINT, "seen: "), plain(one)]);
        }
    }
    for next in &cause.next {
        page.line(indent, &[span(FAINT, "fix:  "), plain(next.clone())]);
    }
}
