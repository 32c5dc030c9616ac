//! What a release is and does now.

mod advice;

use serde::Serialize;
use vllm_rollback_engine::journal::{RunSummary, TrafficHold};
use vllm_rollback_engine::release::{ReleaseRef, Revision, RevisionSummary};
use vllm_rollback_engine::traffic::TrafficState;
use vllm_rollback_engine::workload::ServingPod;

use crate::document::Document;
use crate::style::{FAINT, STRONG, StatusIcon, WARN};
use crate::text::{TextWriter, plain, span};
use crate::traffic;

pub use advice::{forgotten_gates, next_steps};

/// What a release is and does now. What could not be read is said in `unread`, not guessed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The release.
    #[serde(flatten)]
    pub release: ReleaseRef,
    /// The newest revision in any status.
    pub current: RevisionSummary,
    /// Its chart, `name-version`.
    pub chart: Option<String>,
    /// Helm's or the operator's text for it.
    pub description: Option<String>,
    /// Where `rollback` without a number would go.
    pub last_good: Option<Revision>,
    /// The pods that serve.
    pub pods: Vec<ServingPod>,
    /// The model's place in traffic.
    pub traffic: Option<TrafficState>,
    /// Traffic that a run took away and did not give back.
    pub held: Option<TrafficHold>,
    /// Who holds the lock, in one line.
    pub lock: Option<String>,
    /// The last run.
    pub last_run: Option<RunSummary>,
    /// That run did not end: it must be resumed or aborted before another starts. One line.
    pub unfinished: Option<String>,
    /// What this machine's journal says of it in the end.
    pub last_words: Option<String>,
    /// What is not as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
    /// What to type next, best first.
    pub next: Vec<String>,
}

impl Document for Status {
    fn kind(&self) -> &'static str {
        "ReleaseStatus"
    }

    fn write(&self, out: &mut TextWriter) {
        out.styled(0, STRONG, self.release.to_string());
        let mut revision = format!("{}  {}", self.current.revision, self.current.status);
        for more in [&self.chart, &self.description].into_iter().flatten() {
            revision.push_str("  ");
            revision.push_str(more);
        }
        out.field("Revision", revision);
        if let Some(good) = self.last_good {
            out.field("Last good", format!("revision {good}"));
        }
        if let Some(traffic) = &self.traffic {
            out.field("Traffic", traffic::line(traffic));
            traffic::evidence(out, traffic);
        }
        if let Some(held) = &self.held {
            traffic::held(out, held);
            out.styled(10, FAINT, format!("before that: {}", traffic::line(&held.prior)));
        }
        out.field("Lock", self.lock.clone().unwrap_or_else(|| "free".into()));
        if let Some(run) = &self.last_run {
            out.field("Last run", last_run(out.arrow(), run));
            out.styled(10, FAINT, &run.summary);
        }
        if let Some(unfinished) = &self.unfinished {
            out.marked(0, StatusIcon::Attention, &[span(WARN, unfinished.clone())]);
            if let Some(words) = &self.last_words {
                out.styled(10, FAINT, format!("journal here: {words}"));
            }
        }
        for warning in &self.warnings {
            out.marked(0, StatusIcon::Attention, &[span(WARN, warning.clone())]);
        }
        pods(out, &self.pods);
        for unread in &self.unread {
            out.marked(0, StatusIcon::Unsure, &[plain(unread.clone())]);
        }
        out.list("Next", &self.next);
    }
}

fn last_run(arrow: &str, run: &RunSummary) -> String {
    let end = run
        .exit_code
        .map_or_else(|| "not ended".to_owned(), |code| format!("exit {code}"));
    format!(
        "{}  {} {arrow} {}  {}, {end}, by {}",
        run.started, run.from, run.to, run.state, run.by
    )
}

fn pods(out: &mut TextWriter, pods: &[ServingPod]) {
    out.gap();
    if pods.is_empty() {
        out.styled(0, WARN, "no pod serves this release");
        return;
    }
    let rows = pods
        .iter()
        .map(|pod| {
            vec![
                pod.name.clone(),
                if pod.ready { "yes".into() } else { "no".into() },
                pod.restarts.to_string(),
                pod.revision_hash.clone(),
                pod.images.join(", "),
            ]
        })
        .collect();
    out.table(&["POD", "READY", "RESTARTS", "HASH", "IMAGES"], rows);
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::traffic::TrafficStatus;

    use super::*;
    use crate::fixtures;

    #[test]
    fn a_held_release_says_so_and_why_and_what_to_type() {
        let status = Status {
            last_good: Some(Revision(1)),
            traffic: Some(fixtures::traffic(TrafficStatus::Disabled)),
            warnings: vec!["the gate of Service/llama is closed".into()],
            held: Some(TrafficHold {
                run_id: "01J".into(),
                since: "2026-01-02T03:04:05Z".into(),
                reason: "completion failed".into(),
                prior: fixtures::traffic(TrafficStatus::Enabled),
            }),
            unread: vec!["pods: forbidden".into()],
            next: vec!["kubectl vllm-rollback validate llama -n prod".into()],
            ..fixtures::status()
        };
        assert_eq!(
            fixtures::plain_text(&status),
            "\
prod/llama
Revision  4  deployed  vllm-0.1.0
Last good revision 1
Traffic   disabled (service driver) at Service/llama:8000
          EndpointSlice llama-x: 1 ready
Held      completion failed  since 2026-01-02T03:04:05Z, run 01J
          before that: enabled (service driver) at Service/llama:8000
Lock      free
!! the gate of Service/llama is closed

no pod serves this release
?? pods: forbidden

Next
  kubectl vllm-rollback validate llama -n prod
"
        );
    }
}
