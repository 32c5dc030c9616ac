//! A named cause, as words.

use vllm_rollback_engine::workload::Cause;

use crate::style::{STRONG, StatusIcon};
use crate::text::{Span, TextWriter, plain, span};

/// The icon of a cause.
pub(crate) fn icon(cause: &Cause) -> StatusIcon {
    match cause.terminal {
        true => StatusIcon::Failed,
        false => StatusIcon::Attention,
    }
}

/// The pieces of a cause's line: object and message.
pub(crate) fn spans(cause: &Cause) -> Vec<Span> {
    vec![
        span(STRONG, format!("{}: ", cause.object)),
        plain(cause.message.clone()),
    ]
}

/// Evidence and what helps, below a cause's line.
pub(crate) fn details(out: &mut TextWriter, indent: usize, cause: &Cause) {
    out.seen(indent, &cause.evidence);
    out.labelled(indent, "fix:  ", &cause.next);
}
