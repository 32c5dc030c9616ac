//! A model's place in traffic, as a registry driver read it.

use serde::Serialize;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::journal::Held;
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_engine::traffic::TrafficState;

use crate::json::{self, Kind};
use crate::look::{FAINT, Glyphs, STRONG, WARN};
use crate::page::{Page, plain, span};
use crate::run::traffic_line;

/// A model's place in traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// The release.
    #[serde(flatten)]
    pub release: ReleaseRef,
    /// As it was before the verb acted; none for `status`.
    pub before: Option<TrafficState>,
    /// As it is now.
    pub now: TrafficState,
    /// What proves that it is so.
    pub proof: Vec<String>,
    /// Traffic that a run took away and did not give back.
    pub held: Option<Held>,
    /// What to type next, best first.
    pub next: Vec<String>,
}

/// Draws it for people.
pub fn table(place: &Place, glyphs: Glyphs) -> String {
    let mut page = Page::new(glyphs);
    page.line(0, &[span(STRONG, place.release.to_string())]);
    if let Some(before) = &place.before {
        page.field("Before", &[plain(traffic_line(before))]);
    }
    page.field("Now", &[plain(traffic_line(&place.now))]);
    for line in place.now.evidence.iter().chain(&place.proof) {
        page.line(10, &[span(FAINT, line.clone())]);
    }
    if let Some(held) = &place.held {
        page.field(
            "Held",
            &[
                span(WARN, held.reason.clone()),
                plain(format!("  since {}, run {}", held.since, held.run_id)),
            ],
        );
    }
    page.list("Next", &place.next);
    page.finish()
}

/// Draws it for programs.
///
/// # Errors
/// As [`json::document`].
pub fn json(place: &Place) -> Result<String, Failure> {
    json::document(Kind::RegistryStatus, place)
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::traffic::TrafficStatus;

    use super::*;
    use crate::samples;

    #[test]
    fn a_change_shows_both_states_and_its_proof() {
        let place = Place {
            release: ReleaseRef {
                namespace: "prod".into(),
                name: "llama".into(),
            },
            before: Some(samples::traffic(TrafficStatus::Enabled)),
            now: samples::traffic(TrafficStatus::Disabled),
            proof: vec!["no endpoint is left".into()],
            held: None,
            next: Vec::new(),
        };
        let text = anstream::adapter::strip_str(&table(&place, Glyphs::Ascii)).to_string();
        assert!(text.contains("Before    enabled (service driver)"), "{text}");
        assert!(text.contains("Now       disabled (service driver)"), "{text}");
        assert!(text.contains("          no endpoint is left\n"), "{text}");
    }
}
