//! The lock on a release: a Lease that only one run holds at a time (invariant I3).
//!
//! A lock is taken from a run that died: at once when its process is seen to be gone on this machine, else after nobody
//! renewed it for its whole duration *while we watched*, since clocks of two machines cannot be compared.

mod holder;
mod process;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::{Lock, LockError, LockRequest};

pub use holder::Holder;

use crate::api::{ApiError, Resource};
use crate::connect::Cluster;
use crate::journal_mirror::object_name;

/// Time that a lock outlives the last sign of life of its holder.
const DURATION: Duration = Duration::from_secs(45);
/// Interval at which a holder gives a sign of life.
const RENEW: Duration = Duration::from_secs(10);
/// Interval at which a lock that looks expired is looked at.
const POLL: Duration = Duration::from_secs(1);

/// The lock on one release.
pub struct ReleaseLock {
    cluster: Cluster,
    release: String,
    held: Mutex<Option<HeldLease>>,
}

struct HeldLease {
    identity: String,
    renewal: JoinHandle<()>,
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

impl ReleaseLock {
    /// The lock on a release of the cluster's namespace.
    pub fn new(cluster: Cluster, release: impl Into<String>) -> Self {
        Self {
            cluster,
            release: release.into(),
            held: Mutex::new(None),
        }
    }

    /// Returns the holder, expired or not.
    ///
    /// # Errors
    /// `Forbidden`, `Unreachable`.
    pub async fn holder(&self) -> Result<Option<Holder>, Failure> {
        Ok(self.read().await?.as_ref().and_then(Holder::read))
    }

    fn path(&self) -> String {
        leases().object(self.cluster.namespace(), &object_name(&self.release))
    }

    async fn read(&self) -> Result<Option<Value>, Failure> {
        let lease = self.cluster.api().find(&self.path()).await;
        lease.map_err(|e| self.cannot("read", e))
    }

    async fn delete(&self, lease: &Value) -> Result<(), ApiError> {
        self.cluster.api().delete(&self.path(), lease).await
    }

    fn cannot(&self, verb: &str, error: ApiError) -> Failure {
        error.into_failure(format!("cannot {verb} Lease/{}", object_name(&self.release)))
    }

    fn identity(&self) -> Option<String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|h| h.identity.clone())
    }

    /// Waits for a sign of life of the holder, up to its lease's duration; gives the Lease when there was none.
    async fn observe_renewals(&self, mut lease: Value, holder: &Holder) -> Result<Option<Value>, LockError> {
        let end = Instant::now() + holder.duration;
        let of = |lease: &Value| ["renewTime", "holderIdentity"].map(|key| lease["spec"][key].clone());
        let first = of(&lease);
        while Instant::now() < end {
            tokio::time::sleep(POLL).await;
            match self.read().await? {
                None => return Ok(None),
                Some(now) if of(&now) != first => {
                    let alive = Holder::read(&now).unwrap_or_else(|| holder.clone());
                    return Err(alive.refuse(&self.release, self.cluster.namespace()));
                }
                Some(now) => lease = now,
            }
        }
        Ok(Some(lease))
    }

    fn hold(&self, identity: String) {
        let renewal = tokio::spawn(renew(self.cluster.clone(), self.path(), identity.clone()));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(HeldLease { identity, renewal });
    }
}

#[async_trait]
impl Lock for ReleaseLock {
    async fn acquire(&self, claim: &LockRequest) -> Result<Vec<String>, LockError> {
        let namespace = self.cluster.namespace();
        let identity = format!("{}/{}", claim.run_id, Timestamp::now().as_microsecond());
        let write = |over: Option<&Value>| holder::lease(&self.release, namespace, claim, &identity, DURATION, over);
        let collection = leases().collection(Some(namespace));
        match self.cluster.api().create(&collection, &write(None)).await {
            Ok(_) => {
                self.hold(identity);
                return Ok(Vec::new());
            }
            // A lost answer may hide a success, so the Lease is read.
            Err(error) if error.is_already_exists() || error.is_transient() => {}
            Err(error) => return Err(self.cannot("create", error).into()),
        }
        let Some(mut lease) = self.read().await? else {
            let what = format!("the lock on {namespace}/{} changed hands just now", self.release);
            return Err(Failure::conflict(what).next("try again").into());
        };
        let mut notes = Vec::new();
        if let Some(holder) = Holder::read(&lease) {
            if holder.identity == identity {
                self.hold(identity);
                return Ok(notes);
            }
            let ours = holder.run_id == claim.run_id;
            let why = if holder.is_dead() {
                "its process on this machine is gone".to_owned()
            } else if ours || holder.looks_expired(Timestamp::now()) {
                match self.observe_renewals(lease, &holder).await? {
                    Some(unchanged) => lease = unchanged,
                    None => return Box::pin(self.acquire(claim)).await,
                }
                format!("no sign of life for {} s", holder.duration.as_secs())
            } else {
                return Err(holder.refuse(&self.release, namespace));
            };
            let Holder { run_id, by, .. } = holder;
            notes.push(format!("took over the lock of run {run_id} of {by}: {why}"));
        }
        match self.cluster.api().replace(&self.path(), &write(Some(&lease))).await {
            Ok(_) => {
                self.hold(identity);
                Ok(notes)
            }
            Err(error) if error.is_conflict() || error.is_not_found() => match self.holder().await? {
                Some(winner) => Err(winner.refuse(&self.release, namespace)),
                None => Err(self.cannot("take", error).into()),
            },
            Err(error) => Err(self.cannot("take", error).into()),
        }
    }

    async fn assert_held(&self) -> Result<(), LockError> {
        let lost = |why: String| {
            let namespace = self.cluster.namespace();
            let what = format!("the lock on {namespace}/{} is lost", self.release);
            let status = format!("kubectl vllm-rollback status {} -n {namespace}", self.release);
            LockError::NotOurs(Failure::new(FailureKind::Locked, what).because(why).next(status))
        };
        let Some(identity) = self.identity() else {
            return Err(lost("it was not taken, or was given back".to_owned()));
        };
        match self.holder().await? {
            Some(holder) if holder.identity == identity => Ok(()),
            Some(other) => Err(lost(format!("run {} of {} holds it now", other.run_id, other.by))),
            None => Err(lost("its Lease was removed".to_owned())),
        }
    }

    async fn release(&self) -> Result<(), Failure> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(held) = held else {
            return Ok(());
        };
        held.renewal.abort();
        // Several times, since a renewal under way may change the version between reading and deleting.
        for _ in 0..3 {
            let Some(lease) = self.read().await? else {
                return Ok(());
            };
            if lease["spec"]["holderIdentity"] != held.identity.as_str() {
                return Ok(());
            }
            match self.delete(&lease).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_not_found() => return Ok(()),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(self.cannot("remove", error)),
            }
        }
        Err(
            Failure::conflict(format!("cannot remove Lease/{}", object_name(&self.release)))
                .because("it kept changing")
                .next("it ends by itself: another run can take it"),
        )
    }

    async fn assert_free(&self) -> Result<(), LockError> {
        match self.holder().await? {
            // Which of the two clocks is right is found out by whoever takes the lock; for a look the text is enough.
            Some(holder) if !holder.is_dead() && !holder.looks_expired(Timestamp::now()) => {
                Err(holder.refuse(&self.release, self.cluster.namespace()))
            }
            _ => Ok(()),
        }
    }

    async fn assert_expired(&self) -> Result<(), LockError> {
        let Some(lease) = self.read().await? else {
            return Ok(());
        };
        match Holder::read(&lease) {
            None => Ok(()),
            Some(holder) if holder.is_dead() => Ok(()),
            Some(holder) if holder.looks_expired(Timestamp::now()) => {
                self.observe_renewals(lease, &holder).await.map(drop)
            }
            Some(holder) => Err(holder.refuse(&self.release, self.cluster.namespace())),
        }
    }

    async fn force_release(&self) -> Result<Vec<String>, Failure> {
        let Some(lease) = self.read().await? else {
            return Ok(Vec::new());
        };
        self.delete(&lease).await.map_err(|e| self.cannot("remove", e))?;
        Ok(Holder::read(&lease).iter().map(Holder::sentence).collect())
    }
}

fn leases() -> Resource {
    Resource::new("coordination.k8s.io", "v1", "leases")
}

/// Gives signs of life until the Lease is no longer ours. A failed one is tried again at the next turn: whether the lock
/// is still held is asked before every step anyway.
async fn renew(cluster: Cluster, path: String, identity: String) {
    loop {
        tokio::time::sleep(RENEW).await;
        let mut lease = match cluster.api().get(&path).await {
            Ok(lease) => lease,
            Err(error) if error.is_not_found() => return,
            Err(error) => {
                tracing::warn!("the lock was not renewed: {}", error.text());
                continue;
            }
        };
        if lease["spec"]["holderIdentity"] != identity.as_str() {
            return;
        }
        lease["spec"]["renewTime"] = holder::micro(Timestamp::now()).into();
        if let Err(error) = cluster.api().replace(&path, &lease).await {
            tracing::warn!("the lock was not renewed: {}", error.text());
        }
    }
}
