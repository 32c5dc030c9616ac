//! A named cause, as words.

use vllm_rollback_engine::workload::Cause;

use crate::sanitize;
use crate::style::{FAINT, STRONG};
use crate::text::{Span, TextWriter, plain, span};

/// The pieces of a cause's line: object and message.
pub(crate) fn spans(cause: &Cause) -> Vec<Span> {
    vec![
        span(STRONG, format!("{}: ", cause.object)),
        plain(cause.message.clone()),
    ]
}

/// Evidence and what helps, below a cause's line.
pub(crate) fn details(out: &mut TextWriter, indent: usize, cause: &Cause) {
    for evidence in &cause.evidence {
        for one in sanitize::lines(evidence) {
            out.line(indent, &[span(FAINT, "seen: "), plain(one)]);
        }
    }
    for next in &cause.next {
        out.line(indent, &[span(FAINT, "fix:  "), plain(next.clone())]);
    }
}
