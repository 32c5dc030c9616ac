//! What is true in the world, and what must never become true.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use vllm_rollback_engine::check::{CheckContext, Outcome, Phase};
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::journal::{Entry, RecordKind, RunState};
use vllm_rollback_engine::release::{ReleaseRecord, RollbackOrder};
use vllm_rollback_engine::report::StateName;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_engine::workload::{Cause, Finding, GitOpsOwner, PodSplit, ServingPod};

use super::build;

/// Behaviour of a manifest once it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    /// `true` when its pods get ready.
    pub(crate) ready: bool,
    /// Outcome of the required check at the pods.
    pub(crate) direct: Outcome,
    /// Outcome of the required check through the router.
    pub(crate) routed: Outcome,
    /// A field of the revision before stays in its pods.
    pub(crate) leftover: bool,
    /// `true` when it sets a field that no other manifest sets.
    pub(crate) own_field: bool,
    /// A pod restarts while it is checked.
    pub(crate) restarts: bool,
    /// Applying it lets traffic in: it writes the field that keeps the gate closed.
    pub(crate) opens_gate: bool,
}

impl Health {
    /// Ready, and every check passes.
    pub(crate) const GOOD: Self = Self {
        ready: true,
        direct: Outcome::Pass,
        routed: Outcome::Pass,
        leftover: false,
        own_field: false,
        restarts: false,
        opens_gate: false,
    };
    /// Manifest whose pods crash.
    pub(crate) const CRASHING: Self = Self {
        ready: false,
        ..Self::GOOD
    };
}

/// End of `helm rollback` (helm v4.3 `pkg/action/rollback.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelmEnd {
    /// A deployed record.
    Deployed,
    /// An error before a record was made.
    NoRecord(FailureKind),
    /// A failed record; Helm 3 loses the mark of a rollback there, and the old one becomes superseded.
    FailedWithoutMark,
    /// A failed record: Helm 4's server-side apply leaves a field to another manager.
    FieldOfAnother,
    /// A record that stays pending.
    Pending,
}

/// Something that happens by itself.
pub(crate) type Happening = fn(&mut World);

/// All that is true.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) records: Vec<ReleaseRecord>,
    pub(crate) health: BTreeMap<String, Health>,
    /// The manifest that was applied last.
    pub(crate) live: String,
    pub(crate) has_leftover: bool,
    pub(crate) pods: Vec<ServingPod>,
    pub(crate) pods_made: u32,
    pub(crate) traffic: Option<TrafficStatus>,
    /// The first of two gates is closed; `traffic` is the second one's, which decides.
    pub(crate) is_half_out: bool,
    /// So many times, taking the model out ends after the first gate.
    pub(crate) halfway: u32,
    /// The registry puts back what a failed stop took.
    pub(crate) undoes: bool,
    /// Pods of a revision before that an upgrade left serving.
    pub(crate) old: Vec<ServingPod>,
    /// The registry can keep some pods in traffic.
    pub(crate) can_spare: bool,
    /// UIDs of the pods that it keeps in.
    pub(crate) spared: BTreeSet<String>,
    /// Pods carry the label by which it knows those.
    pub(crate) are_labelled: bool,
    /// UIDs of the pods whose requests were not waited for.
    pub(crate) drained_beside: BTreeSet<String>,
    pub(crate) lock: Option<(String, String)>,
    pub(crate) dead: BTreeSet<String>,
    pub(crate) memory: RunState,
    pub(crate) journal: Vec<Entry>,
    /// The line of the journal's file that somebody changed.
    pub(crate) damaged_line: Option<usize>,
    pub(crate) kept: Vec<String>,
    pub(crate) milliseconds: u64,
    pub(crate) helm_ends: VecDeque<HelmEnd>,
    pub(crate) orders: Vec<RollbackOrder>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) gitops: Option<GitOpsOwner>,
    /// Times that a run suspended the GitOps controller.
    pub(crate) suspensions: u32,
    pub(crate) has_router: bool,
    pub(crate) direct_skipped: Option<String>,
    /// The checks end without a verdict.
    pub(crate) checks_are_silent: bool,
    /// Outcome of a check at the pods that is not required, where there is one.
    pub(crate) optional: Option<Outcome>,
    /// Happening while the pods are checked.
    pub(crate) during_checks: Option<Happening>,
    /// Facts that the checks were handed.
    pub(crate) contexts: Vec<(Phase, CheckContext)>,
    /// Pods that a manifest asks for; 0 stands for 1.
    pub(crate) replicas: u32,
    /// Fields that differ from the manifest, beside a leftover.
    pub(crate) drifted: usize,
    /// Causes why pods do not get ready; a crash loop where none is given.
    pub(crate) causes: Vec<Cause>,
    /// Requests that the drain deadline cuts off.
    pub(crate) late_requests: u64,
    /// The exit code of a Helm whose record says that all went well, where it is not 0.
    pub(crate) helm_exit_code: Option<i32>,
    /// Helm has no server-side apply.
    pub(crate) is_helm_3: bool,
    /// UIDs of the pods that passed the direct check, while they are the same pods.
    pub(crate) proved: BTreeSet<String>,
    /// The routed check failed since the model was last let into traffic.
    pub(crate) routed_failed: bool,
    /// Times that a run let the model into traffic.
    pub(crate) openings: u32,
    /// Invariants that were broken.
    pub(crate) violations: Vec<String>,
}

/// The world, shared by clients.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sim(Arc<Mutex<World>>);

impl Sim {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl World {
    pub(crate) fn traffic(&self) -> TrafficStatus {
        self.traffic.clone().unwrap_or(TrafficStatus::Enabled)
    }

    pub(crate) fn newest(&self) -> &ReleaseRecord {
        self.records.last().expect("a release has a revision")
    }

    pub(crate) fn health_of(&self, manifest: &str) -> Health {
        self.health.get(manifest).cloned().unwrap_or(Health::GOOD)
    }

    /// The manifest as Helm's record has it.
    pub(crate) fn yaml(&self, manifest: &str) -> String {
        build::yaml(manifest, self.health_of(manifest).own_field)
    }

    /// Helm removes only what its newest record declares (helm#13346): a third manifest's own field stays.
    pub(crate) fn merge(&mut self, baseline: &str, target: &str) {
        let is_third = self.live != baseline && self.live != target;
        let stays = is_third && self.health_of(&self.live).own_field;
        self.apply(target);
        self.has_leftover |= stays;
    }

    /// Helm applied a manifest: other pods.
    pub(crate) fn apply(&mut self, manifest: &str) {
        let health = self.health_of(manifest);
        let is_same = self.live == manifest && !self.pods.is_empty();
        self.live = manifest.to_owned();
        self.has_leftover = health.leftover;
        if health.opens_gate {
            self.traffic = Some(TrafficStatus::Enabled);
        }
        if is_same {
            return;
        }
        let before = self.pods_made;
        self.pods_made += self.replicas.max(1);
        // What an upgrade left serving stays when Helm goes back to it, and ends when it goes anywhere else.
        let hash = format!("hash-{manifest}");
        let kept = std::mem::take(&mut self.old).into_iter();
        let kept: Vec<ServingPod> = kept.filter(|pod| pod.revision_hash == hash).collect();
        self.proved.retain(|uid| kept.iter().any(|pod| pod.uid == *uid));
        let made = (before + 1..=self.pods_made).map(|number| pod(number, manifest, health.ready));
        self.pods = kept.into_iter().chain(made).collect();
    }

    /// The newest upgrade is stuck: this many ready pods of a manifest before it still serve.
    pub(crate) fn is_stuck_beside(&mut self, manifest: &str, count: u32) {
        let before = self.pods_made;
        self.pods_made += count;
        self.old = (before + 1..=self.pods_made)
            .map(|number| pod(number, manifest, true))
            .collect();
    }

    pub(crate) fn split_pods(&self, manifest: &str) -> PodSplit {
        let hash = format!("hash-{manifest}");
        let all = self.old.iter().chain(&self.pods).cloned();
        let (good, others) = all.partition(|pod| pod.ready && pod.revision_hash == hash);
        PodSplit { good, others }
    }

    /// The registry keeps only these pods in traffic: each must have passed the checks before (invariant I1).
    pub(crate) fn narrows(&mut self) {
        if !self.spared.iter().all(|uid| self.proved.contains(uid)) {
            self.violations
                .push("I1: a pod is spared that did not pass the direct check".to_owned());
        }
        self.traffic = Some(TrafficStatus::Partial);
    }

    /// Only the holder of the lock may change the world (invariant I3).
    pub(crate) fn changes(&mut self, run_id: &str, what: &str) {
        let holder = self.lock.as_ref().map(|(holder, _)| holder.as_str());
        if holder != Some(run_id) {
            self.violations
                .push(format!("I3: {run_id} does {what} while the lock is held by {holder:?}"));
        }
    }

    /// Notes a violation unless the run wrote this step down before doing it, so that another run can finish it
    /// (invariant I2).
    pub(crate) fn is_written_down(&mut self, run_id: &str, state: StateName) {
        let intent = |entry: &Entry| {
            entry.run_id == run_id && entry.state == state && matches!(entry.edge, RecordKind::Intent { .. })
        };
        if !self.journal.iter().any(intent) {
            self.violations
                .push(format!("I2: {run_id} acts towards {state} without an intent"));
        }
    }

    /// The model is let into traffic: everything that invariant I1 asks for must be true now.
    pub(crate) fn lets_in(&mut self) {
        self.openings += 1;
        self.routed_failed = false;
        let newest = self.newest();
        let checks = [
            (newest.manifest == self.live, "another manifest is live"),
            (
                !self.has_leftover && self.drifted == 0,
                "live objects differ from the manifest",
            ),
            (!self.pods.is_empty(), "no pod serves"),
            (self.pods.iter().all(|pod| pod.ready), "a pod is not ready"),
            (
                self.pods.iter().all(|pod| self.proved.contains(&pod.uid)),
                "a pod did not pass the direct check",
            ),
        ];
        for (holds, what) in checks {
            if !holds {
                self.violations.push(format!("I1: enabled although {what}"));
            }
        }
    }
}

fn pod(number: u32, manifest: &str, ready: bool) -> ServingPod {
    ServingPod {
        name: format!("llama-{number}"),
        uid: format!("uid-{number}"),
        revision_hash: format!("hash-{manifest}"),
        ready,
        restarts: 0,
        port: 8000,
        images: Vec::new(),
        ip: None,
    }
}
