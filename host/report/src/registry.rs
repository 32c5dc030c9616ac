//! A model's place in traffic, as a registry driver read it.

use serde::Serialize;
use vllm_rollback_engine::journal::TrafficHold;
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_engine::traffic::TrafficState;

use crate::document::Document;
use crate::style::STRONG;
use crate::text::TextWriter;
use crate::traffic;

/// A model's place in traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrafficView {
    /// The release.
    #[serde(flatten)]
    pub release: ReleaseRef,
    /// As it is now.
    pub now: TrafficState,
    /// Traffic that a run took away and did not give back.
    pub held: Option<TrafficHold>,
    /// What to type next, best first.
    pub next: Vec<String>,
}

impl Document for TrafficView {
    fn kind(&self) -> &'static str {
        "RegistryStatus"
    }

    fn write(&self, out: &mut TextWriter) {
        out.styled(0, STRONG, self.release.to_string());
        out.field("Now", traffic::line(&self.now));
        traffic::evidence(out, &self.now);
        if let Some(held) = &self.held {
            traffic::held(out, held);
        }
        out.list("Next", &self.next);
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::traffic::TrafficStatus;

    use super::*;
    use crate::fixtures;

    #[test]
    fn a_place_in_traffic_shows_what_was_seen() {
        let view = TrafficView {
            release: ReleaseRef {
                namespace: "prod".into(),
                name: "llama".into(),
            },
            now: fixtures::traffic(TrafficStatus::Disabled),
            held: None,
            next: Vec::new(),
        };
        let text = fixtures::plain_text(&view);
        assert!(text.contains("Now       disabled (service driver)"), "{text}");
        assert!(text.contains("          EndpointSlice llama-x: 1 ready\n"), "{text}");
    }
}
