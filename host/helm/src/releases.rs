//! The engine's port to Helm.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::{RecordSource, Releases};
use vllm_rollback_engine::release::{
    HelmInfo, ReleaseRecord, ReleaseRef, Revision, RevisionSummary, RollbackOrder, RollbackOutcome, RolledBack,
};

use crate::child::{ChildError, ChildExit, HelmBinary, explain};
use crate::history::{history_command, read_history, unknown_release};
use crate::record::{Origin, decode};

/// Pauses between attempts to read back what helm did. Not knowing is costly: the model stays out of traffic.
const READ_BACK: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// One release, read from its records and rolled back by the helm binary.
#[derive(Debug)]
pub struct HelmReleases<S> {
    release: ReleaseRef,
    source: S,
    binary: Arc<HelmBinary>,
}

impl<S: RecordSource> HelmReleases<S> {
    /// The release whose records `source` holds.
    pub fn new(release: ReleaseRef, source: S, binary: Arc<HelmBinary>) -> Self {
        Self {
            release,
            source,
            binary,
        }
    }

    /// Revisions as their labels say; empty when there is none.
    async fn revisions(&self) -> Result<Vec<RevisionSummary>, Failure> {
        read_history(self.source.kind(), &self.release, &self.source.list().await?)
    }

    async fn read(&self, summary: &RevisionSummary) -> Result<ReleaseRecord, Failure> {
        let payload = self.source.read(&summary.record).await?;
        let origin = Origin {
            kind: self.source.kind(),
            object: &summary.record,
            release: &self.release,
            revision: summary.revision,
        };
        decode(origin, &payload)
    }

    /// The record of a revision; none when there is no such revision.
    async fn look_for(&self, revision: Revision) -> Result<Option<ReleaseRecord>, Failure> {
        match self.revisions().await?.iter().find(|r| r.revision == revision) {
            Some(summary) => self.read(summary).await.map(Some),
            None => Ok(None),
        }
    }

    async fn read_back(&self, revision: Revision) -> Result<Option<ReleaseRecord>, Failure> {
        for pause in READ_BACK {
            match self.look_for(revision).await {
                Ok(found) => return Ok(found),
                Err(failure) => tracing::debug!("cannot read back yet: {failure}"),
            }
            tokio::time::sleep(pause).await;
        }
        self.look_for(revision).await
    }

    /// Helm does not check that the world is as it was when the run was planned; a revision made meanwhile would become
    /// the baseline of its merge.
    async fn moved_on(&self, order: &RollbackOrder) -> Option<RollbackOutcome> {
        let history = match self.history().await {
            Ok(history) => history,
            Err(failure) => return Some(RollbackOutcome::NotRecorded(failure)),
        };
        match history.last().map(|r| (r.revision, r.status)) {
            Some((revision, _)) if revision == order.from => None,
            Some((revision, status)) => Some(RollbackOutcome::Overtaken(
                Failure::conflict(format!(
                    "revision {revision} ({status}) was made while this run was under way"
                ))
                .because(format!("the run rests on revision {} as the newest", order.from))
                .next(history_command(&self.release)),
            )),
            None => Some(RollbackOutcome::NotRecorded(unknown_release(&self.release, &[]))),
        }
    }

    fn nothing_happened(&self, order: &RollbackOrder, ended: &ChildExit) -> RollbackOutcome {
        let what = format!("helm rollback {} {} made no new revision", self.release.name, order.to);
        if ended.timed_out {
            return RollbackOutcome::NotRecorded(
                Failure::timeout(what)
                    .because(format!("it was ended after {} s", order.timeout_ms / 1000))
                    .next("kubectl cluster-info"),
            );
        }
        if ended.exit_code == Some(0) {
            // Helm says that it did something which nobody can see: that is no ground to say `unchanged`.
            return RollbackOutcome::Unknown(
                Failure::internal(what)
                    .because("helm said success")
                    .next(history_command(&self.release)),
            );
        }
        explain(&what, &self.release, order.to, &ended.stderr_tail)
    }
}

#[async_trait]
impl<S: RecordSource> Releases for HelmReleases<S> {
    async fn history(&self) -> Result<Vec<RevisionSummary>, Failure> {
        let revisions = self.revisions().await?;
        if revisions.is_empty() {
            return Err(unknown_release(&self.release, &self.source.find_elsewhere().await));
        }
        Ok(revisions)
    }

    async fn record(&self, revision: Revision) -> Result<ReleaseRecord, Failure> {
        let revisions = self.history().await?;
        let Some(summary) = revisions.iter().find(|r| r.revision == revision) else {
            let known: Vec<String> = revisions.iter().map(|r| r.revision.to_string()).collect();
            return Err(
                Failure::not_found(format!("release {} has no revision {revision}", self.release))
                    .because(format!(
                        "its history holds {}; older ones were pruned",
                        known.join(", ")
                    ))
                    .next(history_command(&self.release)),
            );
        };
        self.read(summary).await
    }

    async fn helm(&self) -> Result<HelmInfo, Failure> {
        self.binary.info().await
    }

    async fn rollback(&self, order: &RollbackOrder) -> RollbackOutcome {
        // Before helm is started there is no doubt about what it did.
        if let Some(not_started) = self.moved_on(order).await {
            return not_started;
        }
        let ended = match self.binary.rollback(&self.release, order).await {
            Ok(ended) => ended,
            Err(ChildError::Lost(failure)) => return RollbackOutcome::Unknown(failure),
            Err(ChildError::NotStarted(failure)) => return RollbackOutcome::NotRecorded(failure),
        };
        let made = Revision(order.from.0.saturating_add(1));
        match self.read_back(made).await {
            Ok(Some(record)) => RollbackOutcome::Recorded(Box::new(RolledBack {
                record,
                exit_code: ended.exit_code,
                stderr_tail: ended.stderr_tail,
            })),
            Ok(None) => self.nothing_happened(order, &ended),
            Err(failure) => RollbackOutcome::Unknown(
                Failure::new(
                    FailureKind::Unreachable,
                    format!("helm ended, but it is unknown whether it made revision {made}"),
                )
                .because(failure.to_string())
                .next(history_command(&self.release)),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn releases() -> HelmReleases<NoRecords> {
        let release = ReleaseRef {
            namespace: "ml".into(),
            name: "llama".into(),
        };
        let binary = HelmBinary::new(None, None, "/".into(), crate::Connection::default());
        HelmReleases::new(release, NoRecords, Arc::new(binary))
    }

    #[derive(Debug)]
    struct NoRecords;

    #[async_trait]
    impl RecordSource for NoRecords {
        fn kind(&self) -> &'static str {
            "Secret"
        }
        async fn list(&self) -> Result<Vec<vllm_rollback_objects::record::RecordHeader>, Failure> {
            Ok(Vec::new())
        }
        async fn read(&self, _: &str) -> Result<Vec<u8>, Failure> {
            Ok(Vec::new())
        }
        async fn find_elsewhere(&self) -> Vec<String> {
            vec!["prod".to_owned()]
        }
    }

    fn order() -> RollbackOrder {
        RollbackOrder {
            to: Revision(1),
            from: Revision(2),
            description: String::new(),
            client_side: false,
            skips_hooks: false,
            timeout_ms: 60_000,
        }
    }

    fn ended(exit_code: Option<i32>, timed_out: bool, stderr: &str) -> ChildExit {
        ChildExit {
            exit_code,
            timed_out,
            stderr_tail: stderr.lines().map(str::to_owned).collect(),
        }
    }

    #[tokio::test]
    async fn an_unknown_release_is_told_with_where_it_is() {
        let failure = releases().history().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotFound);
        assert!(failure.to_string().contains("namespace prod"), "{failure}");
    }

    #[test]
    fn without_a_new_record_the_outcome_is_unknown_only_where_helm_said_success() {
        let outcome = |e| releases().nothing_happened(&order(), &e);
        let unreachable = outcome(ended(Some(1), false, "Error: Kubernetes cluster unreachable: x"));
        assert!(
            matches!(unreachable, RollbackOutcome::NotRecorded(_)),
            "{unreachable:?}"
        );
        let overtaken = outcome(ended(Some(1), false, "Error: release: already exists"));
        assert!(matches!(overtaken, RollbackOutcome::Overtaken(_)), "{overtaken:?}");
        let owned = outcome(ended(Some(1), false, "Error: conflict occurred while applying object"));
        assert!(matches!(owned, RollbackOutcome::NotRecorded(_)), "{owned:?}");
        let late = outcome(ended(None, true, ""));
        assert!(matches!(late, RollbackOutcome::NotRecorded(_)), "{late:?}");
        let claimed = outcome(ended(Some(0), false, ""));
        assert!(matches!(claimed, RollbackOutcome::Unknown(_)), "{claimed:?}");
    }

    #[tokio::test]
    async fn a_release_that_cannot_be_read_before_helm_starts_is_not_rolled_back() {
        let outcome = releases().rollback(&order()).await;
        assert!(matches!(outcome, RollbackOutcome::NotRecorded(_)), "{outcome:?}");
    }
}
