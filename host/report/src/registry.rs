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
    /// As it is now.
    pub now: TrafficState,
    /// Traffic that a run took away and did not give back.
    pub held: Option<Held>,
    /// What to type next, best first.
    pub next: Vec<String>,
}

/// Draws it for people.
pub fn table(place: &Place, glyphs: Glyphs) -> String {
    let mut page = Page::new(glyphs);
    page.line(0, &[span(STRONG, place.release.to_string())]);
    page.field("Now", &[plain(traffic_line(&place.now))]);
    for line in &place.now.evidence {
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
    fn a_place_in_traffic_shows_what_was_seen() {
        let place = Place {
            release: ReleaseRef {
                namespace: "prod".into(),
                name: "llama".into(),
            },
            now: samples::traffic(TrafficStatus::Disabled),
            held: None,
            next: Vec::new(),
        };
        let text = anstream::adapter::strip_str(&table(&place, Glyphs::Ascii)).to_string();
        assert!(text.contains("Now       disabled (service driver)"), "{text}");
        assert!(text.contains("          EndpointSlice llama-x: 1 ready\n"), "{text}");
    }
}
