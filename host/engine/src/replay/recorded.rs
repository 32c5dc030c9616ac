//! The world of a journal: each port answers what the run must have been told, and the journal that the states write now is
//! held against the one that is replayed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_objects::identity::Object;

use crate::check::{CheckContext, CheckSpec, Outcome, Phase, Verdict};
use crate::event::{Event, Observer};
use crate::failure::{Failure, FailureKind};
use crate::journal::{Entry, RunState, RunSummary, TrafficHold};
use crate::ports::{
    Checks, Clock, Interrupt, Journal, Lock, LockError, LockRequest, NotReady, Registry, Releases, Workloads,
};
use crate::release::{
    ApplyMethod, HelmInfo, ReleaseRecord, ReleaseRef, ReleaseStatus, Revision, RevisionSummary, RollbackOrder,
    RollbackOutcome, RolledBack,
};
use crate::replay::script::{Ending, Script};
use crate::report::StateName;
use crate::traffic::{Stop, TrafficState, TrafficStatus};
use crate::workload::{Drained, Drift, EvidenceItem, GitOpsOwner, PodSplit, Preflight, Ready, ServingPod};
use crate::write_error::WriteError;

/// The world, and what was written in it so far.
pub(super) struct RecordedWorld {
    pub(super) script: Script,
    state: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    traffic: Option<TrafficStatus>,
    made: usize,
    is_interrupted: bool,
    written: Vec<Entry>,
}

impl RecordedWorld {
    pub(super) fn new(script: Script) -> Self {
        Self {
            script,
            state: Mutex::default(),
        }
    }

    /// Records that were written, the last one being the first that the journal has not.
    pub(super) fn written(&self) -> Vec<Entry> {
        self.now().written.clone()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers as the step towards this state ended.
    async fn answer<T>(&self, state: StateName, done: T) -> Result<T, Failure> {
        match self.script.ending(state) {
            Ending::Done => Ok(done),
            Ending::Failed(failure) => Err(failure),
            Ending::Interrupted => {
                self.now().is_interrupted = true;
                std::future::pending().await
            }
        }
    }

    fn found(&self) -> TrafficState {
        let status = self.now().traffic.clone();
        TrafficState {
            status: status.unwrap_or_else(|| self.script.prior.status.clone()),
            ..self.script.prior.clone()
        }
    }

    fn record_of(&self, revision: Revision) -> ReleaseRecord {
        let (target, target_sha) = self.script.target();
        let made = |at: usize| Revision(self.script.current.0 + 1 + u32::try_from(at).unwrap_or(0));
        let ordered = self.script.orders.iter().enumerate();
        let of_order = ordered
            .clone()
            .find(|(at, (order, _))| made(*at) == revision || order.to == revision);
        let completed = self.script.completed.is_some() && revision == self.script.current;
        let sha = match of_order {
            Some((_, (_, sha))) => sha.clone(),
            None if completed || (revision == target && !target_sha.is_empty()) => target_sha,
            None => format!("of revision {revision}"),
        };
        ReleaseRecord {
            release: release(),
            revision,
            status: ReleaseStatus::Deployed,
            description: String::new(),
            rolled_back_to: completed.then_some(target),
            last_deployed: None,
            chart: String::new(),
            chart_version: String::new(),
            app_version: None,
            apply_method: ApplyMethod::ClientSide,
            manifest: String::new(),
            manifest_sha256: sha,
            hooks: Vec::new(),
        }
    }

    fn pods() -> Vec<ServingPod> {
        vec![ServingPod {
            name: "recorded".to_owned(),
            ready: true,
            ..ServingPod::default()
        }]
    }

    /// Returns what the run found at the ports that only a plan asks.
    pub(super) fn preflight(&self) -> Preflight {
        Preflight {
            gitops: self.script.suspended.clone(),
            ..Preflight::default()
        }
    }
}

/// A journal does not say whose it is.
pub(super) fn release() -> ReleaseRef {
    ReleaseRef {
        namespace: "recorded".to_owned(),
        name: "recorded".to_owned(),
    }
}

pub(super) fn specs() -> Vec<CheckSpec> {
    let spec = |phase| CheckSpec {
        name: "recorded".to_owned(),
        version: String::new(),
        digest: String::new(),
        phase,
        required: true,
        grants: Vec::new(),
        skipped: None,
    };
    vec![spec(Phase::Direct), spec(Phase::Routed)]
}

#[async_trait]
impl Releases for RecordedWorld {
    async fn history(&self) -> Result<Vec<RevisionSummary>, Failure> {
        let made = u32::try_from(self.now().made).unwrap_or(0);
        let newest = self.script.current.0 + made;
        Ok((1..=newest)
            .map(|number| RevisionSummary {
                revision: Revision(number),
                status: ReleaseStatus::Deployed,
                record: String::new(),
            })
            .collect())
    }

    async fn record(&self, revision: Revision) -> Result<ReleaseRecord, Failure> {
        self.answer(StateName::Locked, self.record_of(revision)).await
    }

    async fn helm(&self) -> Result<HelmInfo, Failure> {
        Ok(HelmInfo::default())
    }

    async fn rollback(&self, order: &RollbackOrder) -> RollbackOutcome {
        let is_last = self.now().made + 1 >= self.script.orders.len();
        if is_last && let Ending::Failed(failure) = self.script.ending(StateName::RolledBack) {
            return RollbackOutcome::NotRecorded(failure);
        }
        self.now().made += 1;
        RollbackOutcome::Recorded(Box::new(RolledBack {
            record: self.record_of(Revision(order.from.0 + 1)),
            exit_code: Some(0),
            stderr_tail: Vec::new(),
        }))
    }
}

#[async_trait]
impl Workloads for RecordedWorld {
    async fn preflight(&self, _: &ReleaseRecord, _: &ReleaseRecord) -> Result<Preflight, Failure> {
        Ok(self.preflight())
    }

    async fn suspend(&self, _: &GitOpsOwner, _: &str) -> Result<Vec<String>, Failure> {
        Ok(vec![])
    }

    async fn live_objects(&self, _: &ReleaseRecord) -> Result<Vec<Object>, Failure> {
        Ok(vec![])
    }

    async fn split_pods(&self, _: &ReleaseRecord) -> Result<PodSplit, Failure> {
        Ok(PodSplit::default())
    }

    async fn drain(
        &self,
        _: &ReleaseRecord,
        _: &[ServingPod],
        _: Duration,
        _: &dyn Observer,
    ) -> Result<Drained, Failure> {
        Ok(Drained {
            in_flight: Some(0),
            deadline_passed: false,
            evidence: Vec::new(),
        })
    }

    async fn evidence(&self, _: &ReleaseRecord) -> Vec<EvidenceItem> {
        Vec::new()
    }

    async fn watch_ready(&self, _: &ReleaseRecord, _: Duration, _: &dyn Observer) -> Result<Ready, NotReady> {
        let ready = Ready {
            pods: Self::pods(),
            evidence: Vec::new(),
        };
        self.answer(StateName::Ready, ready).await.map_err(NotReady::Failed)
    }

    async fn drift(&self, _: &ReleaseRecord) -> Result<Vec<Drift>, Failure> {
        Ok(vec![])
    }

    async fn serving_pods(&self, _: &ReleaseRecord) -> Result<Vec<ServingPod>, Failure> {
        self.answer(StateName::Validated, Self::pods()).await
    }
}

#[async_trait]
impl Registry for RecordedWorld {
    fn driver(&self) -> &str {
        &self.script.prior.driver
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        Ok(self.found())
    }

    async fn stop(&self, _: &Stop<'_>) -> Result<(), WriteError> {
        if self.script.prior.status == TrafficStatus::Enabled {
            self.now().traffic = Some(TrafficStatus::Disabled);
        }
        Ok(())
    }

    async fn confirm_stopped(&self, _: &Stop<'_>, _: Duration) -> Result<Vec<String>, Failure> {
        self.answer(StateName::Fenced, Vec::new()).await
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        self.now().traffic = Some(prior.status.clone());
        Ok(())
    }

    async fn confirm_resumed(&self, _: &TrafficState, _: Duration) -> Result<Vec<String>, Failure> {
        self.answer(StateName::Unfenced, Vec::new()).await
    }
}

#[async_trait]
impl Checks for RecordedWorld {
    async fn specs(&self) -> Result<Vec<CheckSpec>, Failure> {
        Ok(specs())
    }

    async fn run(&self, phase: Phase, _: &CheckContext, _: &dyn Observer) -> Vec<Verdict> {
        let state = match phase {
            Phase::Direct => StateName::Validated,
            _ => StateName::Confirmed,
        };
        // A check that did not pass ends with 10; what else went wrong then is told by the ports behind.
        let is_failed_check = self.script.exit_code() == Some(10);
        let (outcome, summary) = match self.answer(state, ()).await {
            Err(failure) if is_failed_check => (Outcome::Fail, failure.what),
            _ => (Outcome::Pass, String::new()),
        };
        vec![Verdict {
            check: "recorded".to_owned(),
            phase,
            required: true,
            pod: None,
            outcome,
            summary,
            measurements: Vec::new(),
            evidence: Vec::new(),
            log: Vec::new(),
            seconds: 0.0,
        }]
    }
}

#[async_trait]
impl Lock for RecordedWorld {
    async fn acquire(&self, _: &LockRequest) -> Result<Vec<String>, LockError> {
        Ok(vec![])
    }

    /// Tells why the next step was not begun: the run asks before each.
    async fn assert_held(&self) -> Result<(), LockError> {
        let replayed = self.now().written.len();
        match self.script.ending_between_steps(replayed) {
            // The kind is what the record has of whose the lock was.
            Ending::Failed(failure) if failure.kind == FailureKind::Locked => Err(LockError::NotOurs(failure)),
            Ending::Failed(failure) => Err(failure.into()),
            Ending::Done | Ending::Interrupted => Ok(()),
        }
    }

    async fn release(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn assert_free(&self) -> Result<(), LockError> {
        Ok(())
    }

    async fn assert_expired(&self) -> Result<(), LockError> {
        Ok(())
    }

    async fn force_release(&self) -> Result<Vec<String>, Failure> {
        Ok(vec![])
    }
}

#[async_trait]
impl Journal for RecordedWorld {
    async fn load_state(&self) -> Result<RunState, Failure> {
        let Some((to, _)) = &self.script.completed else {
            return Ok(RunState::default());
        };
        let run_id = "an earlier run".to_owned();
        Ok(RunState {
            held: Some(TrafficHold {
                run_id: run_id.clone(),
                since: String::new(),
                reason: String::new(),
                prior: self.script.prior.clone(),
            }),
            runs: vec![RunSummary {
                run_id,
                from: self.script.current.0.saturating_sub(1),
                to: to.0,
                ..RunSummary::default()
            }],
            rejected: Vec::new(),
        })
    }

    /// Takes the record where the journal has the same one. Where it has another or none, the run goes no further.
    async fn append(&self, entry: &Entry) -> Result<(), Failure> {
        let goes_on = {
            let mut now = self.now();
            now.written.push(entry.clone());
            let expected = self.script.entries.get(now.written.len() - 1);
            expected.is_some_and(|expected| expected.is_same_decision(entry))
        };
        match goes_on {
            true => Ok(()),
            false => std::future::pending().await,
        }
    }

    async fn save_state(&self, _: &RunState) -> Result<(), Failure> {
        Ok(())
    }

    async fn keep(&self, _: &str, _: &[EvidenceItem]) -> Result<Vec<String>, Failure> {
        Ok(vec![])
    }
}

impl Clock for RecordedWorld {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn wall(&self) -> String {
        let now = self.now();
        let entry = self.script.entries.get(now.written.len());
        entry.map(|entry| entry.at.clone()).unwrap_or_default()
    }
}

#[async_trait]
impl Interrupt for RecordedWorld {
    async fn requested(&self) {
        std::future::poll_fn(|_| match self.now().is_interrupted {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        })
        .await;
    }

    fn is_requested(&self) -> bool {
        let now = self.now();
        now.is_interrupted || self.script.ending_between_steps(now.written.len()) == Ending::Interrupted
    }
}

impl Observer for RecordedWorld {
    fn event(&self, _: Event) {}
}
