//! What a Lease says of its holder, and the Lease that we write.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::{LockError, LockRequest};

use super::process;
use crate::journal_mirror::metadata;

const RUN: &str = "rollback.vllm/run-id";
const BY: &str = "rollback.vllm/by";
const REASON: &str = "rollback.vllm/reason";
const PROCESS: &str = "rollback.vllm/process";

/// Holder of a release's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Identity in the Lease: unique for each time it was taken.
    pub identity: String,
    /// The run.
    pub run_id: String,
    /// `user@host`.
    pub by: String,
    /// Reason of its run.
    pub reason: Option<String>,
    /// RFC 3339 time since when.
    pub since: Option<String>,
    /// RFC 3339 time of its last sign of life, by its own clock.
    pub renewed: Option<String>,
    /// Time that the lock outlives the last sign of life.
    pub duration: Duration,
    pub(super) process: Option<String>,
}

impl Holder {
    /// Reads a Lease; none when nobody holds it.
    pub(super) fn read(lease: &Value) -> Option<Self> {
        let spec = &lease["spec"];
        let text = |value: &Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
        let annotation = |key: &str| text(&lease["metadata"]["annotations"][key]);
        let identity = text(&spec["holderIdentity"])?;
        Some(Self {
            run_id: annotation(RUN).unwrap_or_else(|| identity.clone()),
            by: annotation(BY).unwrap_or_else(|| "an unknown user".to_owned()),
            reason: annotation(REASON),
            process: annotation(PROCESS),
            since: text(&spec["acquireTime"]),
            renewed: text(&spec["renewTime"]),
            duration: Duration::from_secs(spec["leaseDurationSeconds"].as_u64().unwrap_or(45)),
            identity,
        })
    }

    /// By our clock the last sign of life is further away than the lock lasts: the lock outlived its holder, or the two
    /// clocks differ. So this only tells whether watching for a sign of life is worth while; it is never enough to take
    /// the lock. A time in the future says no more: the holder's clock may have been ahead when it died.
    pub(super) fn looks_expired(&self, now: Timestamp) -> bool {
        let renewed = self.renewed.as_deref().and_then(|t| t.parse::<Timestamp>().ok());
        renewed.is_none_or(|renewed| now.duration_since(renewed).unsigned_abs() > self.duration)
    }

    /// Tells whether the process ran on this machine and is gone for certain.
    pub(super) fn is_dead(&self) -> bool {
        self.process.as_deref().is_some_and(process::is_dead)
    }

    /// `run 01J… of ann@laptop held it since …, last sign of life at …`.
    pub fn sentence(&self) -> String {
        let at = |time: &Option<String>| time.clone().unwrap_or_else(|| "an unknown time".to_owned());
        format!(
            "run {} of {} held it since {}, last sign of life at {}",
            self.run_id,
            self.by,
            at(&self.since),
            at(&self.renewed)
        )
    }

    /// The error of somebody else who wants the lock.
    pub(super) fn refuse(&self, release: &str, namespace: &str) -> LockError {
        let since = self.since.as_deref().unwrap_or("an unknown time");
        let seconds = self.duration.as_secs();
        let (run, by) = (&self.run_id, &self.by);
        let what = format!("the release {namespace}/{release} is locked by run {run} of {by}");
        let mut failure =
            Failure::new(FailureKind::Locked, what).because(format!("it has held the lock since {since}"));
        if let Some(reason) = &self.reason {
            failure = failure.because(format!("its reason: {reason}"));
        }
        if let Some(renewed) = &self.renewed {
            failure = failure.because(format!("its last sign of life was at {renewed}"));
        }
        let failure = failure
            .next(format!(
                "see how far it is: kubectl vllm-rollback status {release} -n {namespace}"
            ))
            .next(format!(
                "if that run is dead, its lock can be taken {seconds} s after its last sign of life"
            ));
        LockError::NotOurs(failure)
    }
}

/// A point in time as the API writes it (`MicroTime`).
pub(super) fn micro(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Our Lease. `over` is the one it replaces.
pub(super) fn lease(
    release: &str,
    namespace: &str,
    claim: &LockRequest,
    identity: &str,
    duration: Duration,
    over: Option<&Value>,
) -> Value {
    let now = micro(Timestamp::now());
    let mut annotations = json!({ RUN: claim.run_id, BY: claim.by });
    if let Some(reason) = &claim.reason {
        annotations[REASON] = reason.as_str().into();
    }
    if let Some(mark) = process::process_fingerprint() {
        annotations[PROCESS] = mark.into();
    }
    let mut lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata(release, namespace),
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": duration.as_secs(),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": 0,
        },
    });
    lease["metadata"]["annotations"] = annotations;
    if let Some(over) = over {
        lease["metadata"]["resourceVersion"] = over["metadata"]["resourceVersion"].clone();
        lease["spec"]["leaseTransitions"] = (over["spec"]["leaseTransitions"].as_u64().unwrap_or(0) + 1).into();
    }
    lease
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> LockRequest {
        LockRequest {
            run_id: "01RUN".into(),
            by: "ana@laptop".into(),
            reason: Some("INC-7".into()),
        }
    }

    #[test]
    fn a_lease_reads_back_as_it_was_written() {
        let lease = lease("r", "ml", &claim(), "01RUN/1", Duration::from_secs(45), None);
        let holder = Holder::read(&lease).unwrap();
        assert_eq!((holder.run_id.as_str(), holder.by.as_str()), ("01RUN", "ana@laptop"));
        assert_eq!(holder.reason.as_deref(), Some("INC-7"));
        assert!(!holder.looks_expired(Timestamp::now()));
        assert!(!holder.is_dead());
    }

    #[test]
    fn who_is_refused_learns_who_since_when_and_why() {
        let lease = lease("r", "ml", &claim(), "01RUN/1", Duration::from_secs(45), None);
        let LockError::NotOurs(failure) = Holder::read(&lease).unwrap().refuse("r", "ml") else {
            panic!("another holds it");
        };
        assert_eq!(failure.kind, FailureKind::Locked);
        let text = failure.to_string();
        for part in ["01RUN", "ana@laptop", "INC-7", "held the lock since 20"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_lease_looks_expired_only_after_its_duration() {
        let mut lease = lease("r", "ml", &claim(), "01RUN/1", Duration::from_secs(45), None);
        lease["spec"]["renewTime"] = "2026-01-01T00:00:00.000000Z".into();
        let holder = Holder::read(&lease).unwrap();
        assert!(!holder.looks_expired("2026-01-01T00:00:45Z".parse().unwrap()));
        assert!(holder.looks_expired("2026-01-01T00:00:47Z".parse().unwrap()));
        // Its clock is ahead of ours: a little is no reason to doubt, five minutes are.
        assert!(!holder.looks_expired("2025-12-31T23:59:30Z".parse().unwrap()));
        assert!(holder.looks_expired("2025-12-31T23:55:00Z".parse().unwrap()));
    }

    #[test]
    fn a_takeover_counts_as_a_transition_under_the_old_version() {
        let old = json!({"metadata": {"resourceVersion": "5"}, "spec": {"leaseTransitions": 2}});
        let lease = lease("r", "ml", &claim(), "x", Duration::from_secs(45), Some(&old));
        assert_eq!(lease["metadata"]["resourceVersion"], "5");
        assert_eq!(lease["spec"]["leaseTransitions"], 3);
    }
}
