//! A failure, drawn for stderr.

use vllm_rollback_engine::failure::Failure;

use crate::look::{BAD, FAINT, Glyphs, STRONG};
use crate::page::{Page, plain, span};

/// Draws what happened, why, what state the model is in, and what to type next.
pub fn failure(failure: &Failure, state: Option<&str>, glyphs: Glyphs) -> String {
    let mut page = Page::new(glyphs);
    page.line(0, &[span(BAD, "error: "), span(STRONG, failure.what.clone())]);
    for why in &failure.why {
        page.line(0, &[span(FAINT, "cause: "), plain(why.clone())]);
    }
    if let Some(state) = state {
        page.line(0, &[span(FAINT, "state: "), plain(state)]);
    }
    for next in &failure.next {
        page.line(0, &[span(FAINT, "next:  "), plain(next.clone())]);
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;

    #[test]
    fn a_failure_says_what_why_where_it_stands_and_what_to_type() {
        let one = Failure::new(FailureKind::Unreachable, "cannot reach the cluster")
            .because("connection refused\u{1b}[2J")
            .next("kubectl cluster-info");
        let text = failure(&one, Some("nothing was changed"), Glyphs::Ascii);
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            "error: cannot reach the cluster\ncause: connection refused\nstate: nothing was changed\nnext:  kubectl cluster-info\n"
        );
    }
}
