//! A model's place in traffic, as words.

use vllm_rollback_engine::journal::TrafficHold;
use vllm_rollback_engine::traffic::TrafficState;

use crate::style::{FAINT, WARN};
use crate::text::{TextWriter, plain, span};

/// `enabled (service driver) at Service/llama:8000`.
pub(crate) fn line(state: &TrafficState) -> String {
    let at = state.endpoint.as_ref().map(|e| format!(" at {e}")).unwrap_or_default();
    format!("{} ({} driver){at}", state.status.as_str(), state.driver)
}

/// What was seen of it, below its line.
pub(crate) fn evidence(out: &mut TextWriter, state: &TrafficState) {
    for line in &state.evidence {
        out.styled(10, FAINT, line);
    }
}

/// Traffic that a run took away and did not give back.
pub(crate) fn held(out: &mut TextWriter, held: &TrafficHold) {
    let since = format!("  since {}, run {}", held.since, held.run_id);
    out.field_spans("Held", &[span(WARN, held.reason.clone()), plain(since)]);
}
