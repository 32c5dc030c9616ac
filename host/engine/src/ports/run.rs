//! The traits through which a run speaks to the world.

use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_objects::identity::Object;
use vllm_rollback_objects::record::RecordHeader;

use crate::check::{CheckContext, CheckSpec, Phase, Verdict};
use crate::event::Observer;
use crate::failure::Failure;
use crate::journal::{Entry, Journalled, RunState};
use crate::release::{HelmInfo, ReleaseRecord, Revision, RevisionSummary, RollbackOrder, RollbackOutcome};
use crate::traffic::{Stop, TrafficState, TrafficStatus};
use crate::workload::{Cause, Drained, Drift, EvidenceItem, GitOpsOwner, PodSplit, Preflight, Ready, ServingPod};
use crate::write_error::WriteError;

/// Helm's records and the helm binary.
#[async_trait]
pub trait Releases: Send + Sync {
    /// All revisions in ascending order, from labels alone. An unknown release is `NotFound` with a hint where it does exist.
    async fn history(&self) -> Result<Vec<RevisionSummary>, Failure>;

    /// One record, decoded. A corrupt one is `Invalid` and names its object.
    async fn record(&self, revision: Revision) -> Result<ReleaseRecord, Failure>;

    /// The binary that would be used, and what it offers.
    async fn helm(&self) -> Result<HelmInfo, Failure>;

    /// Runs `helm rollback R N` and reads the new record back.
    async fn rollback(&self, order: &RollbackOrder) -> RollbackOutcome;
}

/// Helm's records of one release, as they are stored in its namespace.
#[async_trait]
pub trait RecordSource: Send + Sync {
    /// Kind of the objects: `Secret` or `ConfigMap`.
    fn kind(&self) -> &'static str;

    /// All objects labelled `owner=helm,name=RELEASE`, in any order, broken ones included. Empty when there is none.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn list(&self) -> Result<Vec<RecordHeader>, Failure>;

    /// The value of key `release`, after the API's own base64 of Secrets is decoded: Helm's base64 of a gzip stream.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden`, `Unreachable`; `Invalid` when the object has no such key.
    async fn read(&self, object: &str) -> Result<Vec<u8>, Failure>;

    /// Other namespaces that hold a release of this name; empty when that cannot be asked.
    async fn find_elsewhere(&self) -> Vec<String>;
}

/// Reason why the workloads did not get ready.
#[derive(Debug, Clone)]
pub enum NotReady {
    /// A cause was named that does not heal by waiting, or the deadline passed with these causes: at least one.
    Caused(Vec<Cause>),
    /// The cluster could not be watched.
    Failed(Failure),
}

/// The release's objects in the cluster.
#[async_trait]
pub trait Workloads: Send + Sync {
    /// Looks at everything the run will need. Read-only.
    async fn preflight(&self, current: &ReleaseRecord, target: &ReleaseRecord) -> Result<Preflight, Failure>;

    /// Makes the GitOps controller leave the release alone, and sees that it does; harmless when it does already. It
    /// must not be let go on again by a run: it would put the bad version back. Evidence lines.
    async fn suspend(&self, owner: &GitOpsOwner, run_id: &str) -> Result<Vec<String>, Failure>;

    /// The live objects of a manifest; absent ones are left out.
    async fn live_objects(&self, record: &ReleaseRecord) -> Result<Vec<Object>, Failure>;

    /// The pods that run what the target asks for now, and the others.
    async fn split_pods(&self, target: &ReleaseRecord) -> Result<PodSplit, Failure>;

    /// Waits until running plus waiting requests are 0 on the serving pods, or the deadline passed. `spared` ones stay in
    /// traffic and are not waited for.
    async fn drain(
        &self,
        current: &ReleaseRecord,
        spared: &[ServingPod],
        deadline: Duration,
        observer: &dyn Observer,
    ) -> Result<Drained, Failure>;

    /// Gathers pod statuses, events, logs and metrics of the bad revision. Bounded; best effort.
    async fn evidence(&self, current: &ReleaseRecord) -> Vec<EvidenceItem>;

    /// Waits until exactly the target serves. Emits causes and progress as they are seen.
    async fn watch_ready(
        &self,
        target: &ReleaseRecord,
        deadline: Duration,
        observer: &dyn Observer,
    ) -> Result<Ready, NotReady>;

    /// Lists where live objects differ from the target's manifest, leftovers of other revisions included. Empty means
    /// equal.
    async fn drift(&self, target: &ReleaseRecord) -> Result<Vec<Drift>, Failure>;

    /// The pods that serve for this record now.
    async fn serving_pods(&self, target: &ReleaseRecord) -> Result<Vec<ServingPod>, Failure>;
}

/// A registry driver. It restores what `read` returned, is safe to repeat, refuses what is not this release's, and fails closed.
#[async_trait]
pub trait Registry: Send + Sync {
    /// `service`, `postgres` or `none`; several are named in their order, with commas.
    fn driver(&self) -> &str;

    /// The gate owns a field of an object in the manifest, so a server-side rollback would conflict.
    fn needs_client_side_rollback(&self) -> bool {
        false
    }

    /// The state now. Refuses (`Refused`) when the registry's entry is not this release's.
    async fn read(&self) -> Result<TrafficState, Failure>;

    /// Asks, before anything changes, everything that will have to prove a change later: a router that does not answer
    /// the caller now could not prove the fence either. Read-only.
    async fn preflight(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Fails unless this driver could keep single pods in traffic ([`Self::retain`]). Read-only.
    ///
    /// # Errors
    /// `Refused`, with what makes it impossible.
    async fn assert_can_retain(&self) -> Result<(), Failure> {
        Err(Failure::refused(format!(
            "the {} driver takes the whole model out of traffic",
            self.driver()
        ))
        .because("it cannot keep some of the pods in it")
        .next(
            "leave out --fence bad-only, or use --registry service where that Service is what clients or routers meet",
        ))
    }

    /// Labels these pods in the cluster, and no others: a [`Stop`] that keeps retained pods leaves them in traffic, in this run and
    /// in a later one. Evidence lines.
    async fn retain(&self, _pods: &[ServingPod]) -> Result<Vec<String>, Failure> {
        self.assert_can_retain().await.map(|()| Vec::new())
    }

    /// Takes the model out of traffic, if it is still in the prior state; harmless when it is out already.
    async fn stop(&self, stop: &Stop<'_>) -> Result<(), WriteError>;

    /// After a [`Self::stop`] that failed: puts back what it took although it is not whole, before any pod was touched.
    /// False where a driver does all or nothing, so that there is nothing to put back.
    ///
    /// # Errors
    /// When that fails too: then the model is somewhere between.
    async fn revert_partial_stop(&self, _found: &TrafficState) -> Result<bool, WriteError> {
        Ok(false)
    }

    /// Waits until no traffic can reach the model, pods that the stop keeps apart, caches included. Evidence lines.
    async fn confirm_stopped(&self, stop: &Stop<'_>, deadline: Duration) -> Result<Vec<String>, Failure>;

    /// Puts back exactly what `prior` says; harmless when it is so already.
    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError>;

    /// Waits until the registry says `prior` again, and traffic flows where that means enabled. Evidence lines.
    async fn confirm_resumed(&self, prior: &TrafficState, deadline: Duration) -> Result<Vec<String>, Failure>;

    /// The state that means enabled, made from one in which the model is out of traffic and no state from before is
    /// saved. A driver whose token carries the registry's own word overrides this.
    ///
    /// # Errors
    /// `Refused` when the driver cannot tell.
    fn enabled(&self, now: &TrafficState) -> Result<TrafficState, Failure> {
        Ok(TrafficState {
            status: TrafficStatus::Enabled,
            ..now.clone()
        })
    }

    /// Lines for the report once the run ended with the model back: what this driver changed for later (apply method, …).
    async fn post_run_notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The sandboxed checks.
#[async_trait]
pub trait Checks: Send + Sync {
    /// The checks of this run, with grants and what is skipped. Loads and describes them; a broken one is a `Failure`.
    async fn specs(&self) -> Result<Vec<CheckSpec>, Failure>;

    /// Runs the checks of a phase side by side; each ends by its own deadline. Never fails: trouble is a verdict.
    async fn run(&self, phase: Phase, context: &CheckContext, observer: &dyn Observer) -> Vec<Verdict>;
}

/// Request for the lock: who wants it, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRequest {
    /// The run.
    pub run_id: String,
    /// `user@host`.
    pub by: String,
    /// Reason for the run.
    pub reason: Option<String>,
}

/// Error of whoever wants the lock, or asks for it.
#[derive(Debug)]
pub enum LockError {
    /// Another run holds it, or took it away: who, since when and why.
    NotOurs(Failure),
    /// The lock could not be read or written. A write whose answer was lost may have been done.
    Failed(Failure),
}

impl From<Failure> for LockError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let (LockError::NotOurs(failure) | LockError::Failed(failure)) = error;
        failure
    }
}

/// The lock on a release: one run at a time (invariant I3).
#[async_trait]
pub trait Lock: Send + Sync {
    /// Takes it, and says how. Renews itself until released.
    async fn acquire(&self, claim: &LockRequest) -> Result<Vec<String>, LockError>;

    /// Still ours? Asked before every step that changes something.
    async fn assert_held(&self) -> Result<(), LockError>;

    /// Gives it back. Safe to repeat.
    async fn release(&self) -> Result<(), Failure>;

    /// Fails when another run holds it and may be alive. Takes nothing.
    async fn assert_free(&self) -> Result<(), LockError>;

    /// As [`Self::assert_free`], by signs of life and not by clocks: waits for one as long as the lock lasts.
    async fn assert_expired(&self) -> Result<(), LockError>;

    /// Removes it, whoever holds it. Says who held it; nothing when nobody did.
    async fn force_release(&self) -> Result<Vec<String>, Failure>;
}

/// Store of the journal and of the run state.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Reads the state that earlier runs left.
    async fn load_state(&self) -> Result<RunState, Failure>;

    /// Writes a record durably before it returns.
    async fn append(&self, entry: &Entry) -> Result<(), Failure>;

    /// A run's records, as far as they are on this machine: none where it ran on another.
    async fn records(&self, _run_id: &str) -> Result<Journalled, Failure> {
        Ok(Journalled::default())
    }

    /// Writes what later runs must know (mirrored in the cluster).
    async fn save_state(&self, run_state: &RunState) -> Result<(), Failure>;

    /// Keeps evidence; the places where it went.
    async fn keep(&self, run_id: &str, items: &[EvidenceItem]) -> Result<Vec<String>, Failure>;
}

/// A text, and the version it was read at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versioned {
    /// The text; none when there is none yet.
    pub text: Option<String>,
    /// Version for compare-and-set; none when there is none yet.
    pub version: Option<String>,
}

/// One text for a release, kept where all machines see it.
#[async_trait]
pub trait SharedStore: Send + Sync {
    /// Reads it.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    async fn read(&self) -> Result<Versioned, Failure>;

    /// Writes it over the version it was read at (none: there is none yet). The new version.
    ///
    /// # Errors
    /// `Conflict` when somebody else wrote it meanwhile: read again. `Invalid` when it is too large. `Forbidden`,
    /// `Unreachable`.
    async fn write(&self, text: &str, over: Option<&str>) -> Result<Option<String>, Failure>;

    /// A command that shows it, for people.
    fn shown_by(&self) -> String;
}

/// Time.
pub trait Clock: Send + Sync {
    /// Monotonic time since an arbitrary start.
    fn monotonic(&self) -> Duration;

    /// RFC 3339 wall-clock time.
    fn wall(&self) -> String;
}

/// Request of the operator to stop.
#[async_trait]
pub trait Interrupt: Send + Sync {
    /// Ends when a stop was asked for; never ends otherwise.
    async fn requested(&self);

    /// A stop was asked for.
    fn is_requested(&self) -> bool;
}

/// The world of a run.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// Helm.
    pub releases: &'a dyn Releases,
    /// Pods and objects.
    pub workloads: &'a dyn Workloads,
    /// Traffic.
    pub registry: &'a dyn Registry,
    /// Checks.
    pub checks: &'a dyn Checks,
    /// Lock.
    pub lock: &'a dyn Lock,
    /// Journal.
    pub journal: &'a dyn Journal,
    /// Time.
    pub clock: &'a dyn Clock,
    /// Stop requests.
    pub interrupt: &'a dyn Interrupt,
    /// Reporters.
    pub observer: &'a dyn Observer,
}
