//! Waits until exactly the target serves, by our own watch; ends as soon as a cause is named that does not heal.

mod rollout;
mod tracker;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use vllm_rollback_engine::event::{Event, Observer};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::NotReady;
use vllm_rollback_engine::release::ReleaseRecord;
use vllm_rollback_engine::workload::{Cause, CauseReason, Ready};

use tracker::{RolloutSnapshot, RolloutTracker, Source, latest_event};
use vllm_rollback_objects::workload::Workload;

use crate::api::Resource;
use crate::api::watch::{WatchUpdate, watch};
use crate::causes::DetectedCause;
use crate::connect::Cluster;
use crate::logs;
use crate::mapping;
use crate::serving;
use crate::view::revisions_resource;

/// Time that a log is waited for once the cause is known.
const LOG_WAIT: Duration = Duration::from_millis(1500);
/// Between two looks at pods that the watches call ready and a read does not.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Lines of a log that go into a cause.
const LOG_LINES: usize = 10;

pub(crate) async fn watch_ready(
    cluster: &Cluster,
    target: &ReleaseRecord,
    deadline: Duration,
    observer: &dyn Observer,
) -> Result<Ready, NotReady> {
    let manifest = target.objects().map_err(NotReady::Failed)?;
    let workloads = manifest.workloads();
    let end = Instant::now() + deadline;
    let mut changes = start(cluster, &workloads);
    let mut tracker = RolloutTracker::new(&workloads);
    let mut announced = Announced::default();
    loop {
        let snapshot = tracker.snapshot(Instant::now());
        let mut wake = snapshot.next.map_or(end, |next| next.min(end));
        if snapshot.done() {
            let pods = serving::pods(cluster, &manifest).await.map_err(NotReady::Failed)?;
            // Kubelets take "ready" back now and then, right after they gave it.
            if pods.iter().all(|pod| pod.ready) {
                let evidence = snapshot.rollouts.into_iter().map(|r| r.line).collect();
                return Ok(Ready { pods, evidence });
            }
            wake = wake.min(Instant::now() + LOOK_AGAIN);
        }
        if snapshot.complete {
            announced.announce(&snapshot, &tracker, observer);
        }
        if snapshot.terminal() {
            return Err(give_up(cluster, snapshot, observer).await);
        }
        if Instant::now() >= end {
            return Err(deadline_passed(cluster, snapshot, deadline, observer).await);
        }
        match tokio::time::timeout_at(wake, changes.recv()).await {
            Err(_) => {}
            Ok(None) => {
                let failure = Failure::internal(format!("the watches of {} ended", target.release));
                return Err(NotReady::Failed(failure));
            }
            Ok(Some((Source::Events, WatchUpdate::Failed(error)))) => {
                let why = error.text();
                let text = format!("events cannot be watched, so probes' answers stay unknown: {why}");
                observer.event(Event::Warning { text });
            }
            Ok(Some((_, WatchUpdate::Failed(error)))) => {
                let what = format!("the workloads of {} cannot be watched", target.release);
                return Err(NotReady::Failed(error.into_failure(what)));
            }
            Ok(Some((source, change))) => tracker.apply(source, change),
        }
    }
}

/// One watch for each workload, its revisions and its pods, and one for the namespace's events.
fn start(cluster: &Cluster, workloads: &[Workload<'_>]) -> mpsc::Receiver<(Source, WatchUpdate)> {
    let (out, changes) = mpsc::channel(256);
    let go = |path: String, query: Vec<(&'static str, String)>, source: Source| {
        watch(cluster.api().clone(), path, query, source, out.clone());
    };
    for (at, workload) in workloads.iter().enumerate() {
        let namespace = Some(workload.object.namespace.as_str());
        let labels = || vec![("labelSelector", workload.selector())];
        let name = vec![("fieldSelector", format!("metadata.name={}", workload.object.name))];
        let objects = mapping::workloads(workload.kind).collection(namespace);
        go(objects, name, Source::Object(at));
        go(Resource::core("pods").collection(namespace), labels(), Source::Pods(at));
        if let Some(resource) = revisions_resource(workload.kind) {
            go(resource.collection(namespace), labels(), Source::Revisions(at));
        }
    }
    let events = Resource::core("events").collection(Some(cluster.namespace()));
    go(events, Vec::new(), Source::Events);
    changes
}

/// Lines that were told already, so that each line is told once.
#[derive(Default)]
struct Announced {
    line: String,
    causes: Vec<(CauseReason, String)>,
}

impl Announced {
    fn announce(&mut self, snapshot: &RolloutSnapshot, tracker: &RolloutTracker, observer: &dyn Observer) {
        for seen in &snapshot.causes {
            let cause = seen.cause.clone();
            // A probe that fails while a model loads is no news.
            let quiet = matches!(cause.reason, CauseReason::ReadinessProbe | CauseReason::StartupProbe);
            let key = (cause.reason, cause.object.clone());
            if !cause.terminal && !quiet && !self.causes.contains(&key) {
                observer.event(Event::CauseSeen { cause });
                self.causes.push(key);
            }
        }
        let pending = snapshot.rollouts.iter().find(|r| !r.done).map(|r| r.line.clone());
        let cause = snapshot.causes.first().map(|s| s.cause.message.clone());
        let parts = [pending, cause.or_else(|| latest_event(tracker))];
        let line = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
        if line != self.line {
            observer.event(Event::Progress { text: line.clone() });
            self.line = line;
        }
    }
}

async fn give_up(cluster: &Cluster, snapshot: RolloutSnapshot, observer: &dyn Observer) -> NotReady {
    let causes = with_logs(cluster, snapshot.causes).await;
    for cause in causes.iter().filter(|c| c.terminal) {
        observer.event(Event::CauseSeen { cause: cause.clone() });
    }
    NotReady::Caused(causes)
}

async fn deadline_passed(
    cluster: &Cluster,
    snapshot: RolloutSnapshot,
    deadline: Duration,
    observer: &dyn Observer,
) -> NotReady {
    let mut causes = with_logs(cluster, snapshot.causes).await;
    let pending = snapshot.rollouts.into_iter().filter(|r| !r.done);
    let lines: Vec<String> = pending.map(|r| r.line).collect();
    if causes.is_empty() {
        let object = lines.first().and_then(|line| line.split([':', ' ']).next());
        causes.push(Cause {
            reason: CauseReason::Deadline,
            object: object.unwrap_or("workloads").to_owned(),
            message: format!("not ready within {} s, and nothing named a cause", deadline.as_secs()),
            evidence: Vec::new(),
            terminal: false,
            next: vec!["kubectl get events --sort-by=.lastTimestamp".to_owned()],
        });
    }
    for cause in &mut causes {
        cause.evidence.extend(lines.iter().cloned());
        observer.event(Event::CauseSeen { cause: cause.clone() });
    }
    NotReady::Caused(causes)
}

/// Adds the last log lines to each cause that a log explains.
async fn with_logs(cluster: &Cluster, causes: Vec<DetectedCause>) -> Vec<Cause> {
    let enrich = causes.into_iter().map(|seen| async move {
        let mut cause = seen.cause;
        let Some(of) = seen.log_of else {
            return cause;
        };
        let tail = |previous| logs::tail(cluster, cluster.namespace(), &of.pod, &of.container, previous, 200);
        let read = async {
            match tail(of.previous).await {
                Ok(text) => text,
                // The container may have started or ended between the status and the log.
                Err(_) => tail(!of.previous).await.unwrap_or_default(),
            }
        };
        let text = tokio::time::timeout(LOG_WAIT, read).await.unwrap_or_default();
        let last = logs::last_lines(&text, LOG_LINES);
        if let Some(line) = last.last() {
            cause.message.push_str(&format!("; last log line: {line}"));
        }
        cause.evidence.extend(last);
        cause
    });
    futures::future::join_all(enrich).await
}
