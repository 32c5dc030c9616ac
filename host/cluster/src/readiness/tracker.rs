//! What the watches have told so far, put together to workloads and causes.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use tokio::time::Instant;
use vllm_rollback_engine::workload::CauseReason;
use vllm_rollback_objects::workload::{Workload, WorkloadKind};

use super::rollout::{Rollout, rollout};
use crate::api::watch::WatchUpdate;
use crate::causes::{DetectedCause, of_workload};
use crate::events;
use crate::pods;
use crate::view::LiveWorkload;

/// Watch that a change comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The workload itself; the number is its place among the release's workloads.
    Object(usize),
    /// ReplicaSets or ControllerRevisions.
    Revisions(usize),
    /// Pods with its labels.
    Pods(usize),
    /// All events of the namespace.
    Events,
}

struct Watched {
    kind: WorkloadKind,
    label: String,
    name: String,
    /// Beginning of the names of its pods and ReplicaSets.
    prefix: String,
}

/// The picture of all workloads of a release.
pub(super) struct RolloutTracker {
    workloads: Vec<Watched>,
    /// Objects by name; none of a watch that has listed nothing yet.
    known: HashMap<Source, BTreeMap<String, Value>>,
    /// Time when each cause was first seen, by reason and object: how long it has lasted is judged by our own clock.
    since: HashMap<(CauseReason, String), Instant>,
}

/// The picture at one moment.
#[derive(Default)]
pub(super) struct RolloutSnapshot {
    /// All watches have told their first list.
    pub(super) complete: bool,
    pub(super) rollouts: Vec<Rollout>,
    /// Causes; those whose patience is over are terminal.
    pub(super) causes: Vec<DetectedCause>,
    /// Time when the next patience ends.
    pub(super) next: Option<Instant>,
}

impl RolloutSnapshot {
    pub(super) fn done(&self) -> bool {
        self.complete && self.rollouts.iter().all(|r| r.done)
    }

    pub(super) fn terminal(&self) -> bool {
        self.causes.iter().any(|seen| seen.cause.terminal)
    }
}

impl RolloutTracker {
    pub(super) fn new(workloads: &[Workload<'_>]) -> Self {
        let watched = |w: &Workload<'_>| Watched {
            kind: w.kind,
            label: w.object.label(),
            name: w.object.name.clone(),
            prefix: name_prefix(&w.object.name),
        };
        Self {
            workloads: workloads.iter().map(watched).collect(),
            known: HashMap::new(),
            since: HashMap::new(),
        }
    }

    pub(super) fn apply(&mut self, source: Source, change: WatchUpdate) {
        let key = |object: &Value| pods::name(object).to_owned();
        // Of the namespace's events only those about these workloads, their pods and ReplicaSets.
        let is_own = |object: &Value| {
            let about = pods::text(&object["involvedObject"]["name"]);
            let mut workloads = self.workloads.iter();
            source != Source::Events || workloads.any(|workload| about.starts_with(&workload.prefix))
        };
        match change {
            WatchUpdate::Listed(mut items) => {
                items.retain(is_own);
                let listed = items.into_iter().map(|item| (key(&item), item)).collect();
                self.known.insert(source, listed);
            }
            WatchUpdate::Applied(object) if is_own(&object) => {
                self.known.entry(source).or_default().insert(key(&object), *object);
            }
            WatchUpdate::Deleted(object) => {
                self.known.entry(source).or_default().remove(&key(&object));
            }
            WatchUpdate::Applied(_) | WatchUpdate::Failed(_) => {}
        }
    }

    fn events(&self) -> Vec<&Value> {
        let events = self.known.get(&Source::Events).into_iter();
        events.flat_map(BTreeMap::values).collect()
    }

    pub(super) fn snapshot(&mut self, now: Instant) -> RolloutSnapshot {
        let events = self.events();
        let mut snapshot = RolloutSnapshot {
            complete: true,
            ..RolloutSnapshot::default()
        };
        for (at, watched) in self.workloads.iter().enumerate() {
            match self.live(at, watched) {
                Err(complete) => {
                    snapshot.complete &= complete;
                    snapshot.rollouts.push(Rollout {
                        done: false,
                        line: format!("{} does not exist", watched.label),
                    });
                }
                Ok(live) => {
                    let rollout = rollout(&live);
                    if !rollout.done {
                        snapshot.causes.extend(of_workload(&live, &events));
                    }
                    snapshot.rollouts.push(rollout);
                }
            }
        }
        self.evaluate(&mut snapshot, now);
        snapshot
    }

    /// Marks what has lasted longer than its patience, and forgets what is no longer seen.
    fn evaluate(&mut self, snapshot: &mut RolloutSnapshot, now: Instant) {
        let key = |seen: &DetectedCause| (seen.cause.reason, seen.cause.object.clone());
        let current: Vec<_> = snapshot.causes.iter().map(key).collect();
        self.since.retain(|known, _| current.contains(known));
        for seen in &mut snapshot.causes {
            let first = *self.since.entry(key(seen)).or_insert(now);
            let Some(grace) = seen.grace else {
                continue;
            };
            let end = first + grace;
            if end <= now {
                seen.cause.terminal = true;
            } else {
                snapshot.next = Some(snapshot.next.map_or(end, |next| next.min(end)));
            }
        }
        snapshot.causes.sort_by_key(|seen| !seen.cause.terminal);
    }

    /// The workload as it lives; an error when it does not exist, saying whether its watch has told that.
    fn live(&self, at: usize, watched: &Watched) -> Result<LiveWorkload, bool> {
        let known = |source: Source| self.known.get(&source).ok_or(false);
        let (objects, pods) = (known(Source::Object(at))?, known(Source::Pods(at))?);
        let revisions = match watched.kind {
            WorkloadKind::StatefulSet => Vec::new(),
            _ => known(Source::Revisions(at))?.values().cloned().collect(),
        };
        let object = objects.get(&watched.name).ok_or(true)?.clone();
        let pods = pods.values().cloned().collect();
        let label = watched.label.clone();
        Ok(LiveWorkload::assemble(watched.kind, label, object, revisions, pods))
    }
}

/// Pods and ReplicaSets are named after their workload, whose name is cut at 58 characters for pods.
fn name_prefix(name: &str) -> String {
    name.chars().take(47).collect()
}

/// The newest event of a pod that is loading: `Pulling image …`, `Started container`.
pub(super) fn latest_event(tracker: &RolloutTracker) -> Option<String> {
    let newest = tracker.events().into_iter().max_by_key(|e| events::last_seen(e))?;
    let text: String = newest["message"].as_str()?.chars().take(160).collect();
    Some(format!("{}: {text}", events::object(newest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;
    use vllm_rollback_objects::manifest::Manifest;

    fn board() -> RolloutTracker {
        let text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\n";
        let manifest = Manifest::parse(text, "ml").unwrap();
        RolloutTracker::new(&manifest.workloads())
    }

    fn waiting_pod() -> Value {
        json!({"metadata": {"name": "s-0", "uid": "p", "labels": {"controller-revision-hash": "s-1"},
            "ownerReferences": [{"controller": true, "uid": "s"}]},
            "status": {"conditions": [{"type": "PodScheduled", "status": "False",
                "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}]}})
    }

    fn set() -> Value {
        json!({"metadata": {"name": "s", "uid": "s", "generation": 1},
            "status": {"observedGeneration": 1, "updateRevision": "s-1"}})
    }

    #[test]
    fn nothing_is_done_before_every_watch_has_told_its_first_list() {
        let mut tracker = board();
        assert!(!tracker.snapshot(Instant::now()).complete);
        tracker.apply(Source::Object(0), WatchUpdate::Listed(vec![]));
        tracker.apply(Source::Pods(0), WatchUpdate::Listed(vec![]));
        let snapshot = tracker.snapshot(Instant::now());
        assert!(snapshot.complete && !snapshot.done());
        assert!(snapshot.rollouts[0].line.contains("does not exist"));
    }

    #[tokio::test]
    async fn a_cause_turns_terminal_when_its_patience_ends_and_starts_anew_after_a_break() {
        let mut tracker = board();
        let start = Instant::now();
        tracker.apply(Source::Object(0), WatchUpdate::Listed(vec![set()]));
        tracker.apply(Source::Pods(0), WatchUpdate::Listed(vec![waiting_pod()]));
        let first = tracker.snapshot(start);
        assert!(!first.terminal());
        assert_eq!(first.next, Some(start + Duration::from_secs(10)));
        assert!(!tracker.snapshot(start + Duration::from_secs(9)).terminal());
        assert!(tracker.snapshot(start + Duration::from_secs(10)).terminal());
        tracker.apply(Source::Pods(0), WatchUpdate::Listed(vec![]));
        tracker.snapshot(start + Duration::from_secs(11));
        tracker.apply(Source::Pods(0), WatchUpdate::Applied(Box::new(waiting_pod())));
        assert!(!tracker.snapshot(start + Duration::from_secs(12)).terminal());
    }

    #[test]
    fn events_of_other_releases_are_not_kept() {
        let mut tracker = board();
        let event = |name: &str| {
            json!({"metadata": {"name": format!("e-{name}")}, "involvedObject": {"kind": "Pod", "name": name},
                "message": "m", "lastTimestamp": "2026-01-01T00:00:00Z"})
        };
        tracker.apply(
            Source::Events,
            WatchUpdate::Listed(vec![event("other-0"), event("s-0")]),
        );
        assert_eq!(tracker.events().len(), 1);
        assert_eq!(latest_event(&tracker).as_deref(), Some("Pod/s-0: m"));
    }
}
