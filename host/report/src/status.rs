//! What a release is and does now.

use serde::Serialize;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::journal::{Held, RunSummary};
use vllm_rollback_engine::release::{ReleaseRef, Revision, RevisionSummary};
use vllm_rollback_engine::traffic::TrafficState;
use vllm_rollback_engine::workload::ServingPod;

use crate::json::{self, Kind};
use crate::look::{FAINT, Glyphs, Mark, STRONG, WARN};
use crate::page::{Page, plain, span};
use crate::run::traffic_line;

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
    pub held: Option<Held>,
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

/// Draws the status for people.
pub fn table(status: &Status, glyphs: Glyphs) -> String {
    let mut page = Page::new(glyphs);
    page.line(0, &[span(STRONG, status.release.to_string())]);
    let mut revision = format!("{}  {}", status.current.revision, status.current.status);
    for more in [&status.chart, &status.description].into_iter().flatten() {
        revision.push_str("  ");
        revision.push_str(more);
    }
    page.field("Revision", &[plain(revision)]);
    if let Some(good) = status.last_good {
        page.field("Last good", &[plain(format!("revision {good}"))]);
    }
    if let Some(traffic) = &status.traffic {
        page.field("Traffic", &[plain(traffic_line(traffic))]);
        for line in &traffic.evidence {
            page.line(10, &[span(FAINT, line.clone())]);
        }
    }
    if let Some(held) = &status.held {
        page.field(
            "Held",
            &[
                span(WARN, held.reason.clone()),
                plain(format!("  since {}, run {}", held.since, held.run_id)),
            ],
        );
        page.line(
            10,
            &[span(FAINT, format!("before that: {}", traffic_line(&held.prior)))],
        );
    }
    page.field("Lock", &[plain(status.lock.clone().unwrap_or_else(|| "free".into()))]);
    if let Some(run) = &status.last_run {
        page.field("Last run", &[plain(last_run(page.arrow(), run))]);
        page.line(10, &[span(FAINT, run.summary.clone())]);
    }
    if let Some(unfinished) = &status.unfinished {
        page.marked(0, Mark::Attention, &[span(WARN, unfinished.clone())]);
        if let Some(words) = &status.last_words {
            page.line(10, &[span(FAINT, format!("journal here: {words}"))]);
        }
    }
    for warning in &status.warnings {
        page.marked(0, Mark::Attention, &[span(WARN, warning.clone())]);
    }
    pods(&mut page, &status.pods);
    for unread in &status.unread {
        page.marked(0, Mark::Unsure, &[plain(unread.clone())]);
    }
    page.list("Next", &status.next);
    page.finish()
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

fn pods(page: &mut Page, pods: &[ServingPod]) {
    page.gap();
    if pods.is_empty() {
        page.line(0, &[span(WARN, "no pod serves this release")]);
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
    page.table(&["POD", "READY", "RESTARTS", "HASH", "IMAGES"], rows);
}

/// Draws the status for programs.
///
/// # Errors
/// As [`json::document`].
pub fn json(status: &Status) -> Result<String, Failure> {
    json::document(Kind::ReleaseStatus, status)
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::release::ReleaseStatus;
    use vllm_rollback_engine::traffic::TrafficStatus;

    use super::*;
    use crate::samples;

    #[test]
    fn a_held_release_says_so_and_why_and_what_to_type() {
        let status = Status {
            release: ReleaseRef {
                namespace: "prod".into(),
                name: "llama".into(),
            },
            current: RevisionSummary {
                revision: Revision(4),
                status: ReleaseStatus::Deployed,
                record: "sh.helm.release.v1.llama.v4".into(),
            },
            chart: Some("vllm-0.1.0".into()),
            description: None,
            last_good: Some(Revision(1)),
            pods: Vec::new(),
            traffic: Some(samples::traffic(TrafficStatus::Disabled)),
            warnings: vec!["the gate of Service/llama is closed".into()],
            unfinished: None,
            last_words: None,
            held: Some(Held {
                run_id: "01J".into(),
                since: "2026-01-02T03:04:05Z".into(),
                reason: "completion failed".into(),
                prior: samples::traffic(TrafficStatus::Enabled),
            }),
            lock: None,
            last_run: None,
            unread: vec!["pods: forbidden".into()],
            next: vec!["kubectl vllm-rollback validate llama -n prod".into()],
        };
        let text = anstream::adapter::strip_str(&table(&status, Glyphs::Ascii)).to_string();
        assert_eq!(
            text,
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
