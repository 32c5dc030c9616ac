//! The engine's port to Helm.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::plan::ObjectDiff;
use vllm_rollback_engine::ports::{RecordSource, Releases};
use vllm_rollback_engine::release::{
    HelmInfo, ReleaseRecord, ReleaseRef, Revision, RevisionSummary, RollbackOrder, RolledBack,
};

use crate::child::{Ended, HelmBinary, meaning};
use crate::diff::{diff, stranded};
use crate::history::{read_history, unknown_release};
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
    async fn assert_unchanged(&self, order: &RollbackOrder) -> Result<(), Failure> {
        let newest = self.history().await?.last().map(|r| (r.revision, r.status));
        match newest {
            Some((revision, _)) if revision == order.from => Ok(()),
            Some((revision, status)) => Err(Failure::new(
                FailureKind::Conflict,
                format!("revision {revision} ({status}) was made while this run was under way"),
            )
            .because(format!("the run rests on revision {} as the newest", order.from))
            .next(format!(
                "helm history {} -n {}",
                self.release.name, self.release.namespace
            ))),
            None => Err(unknown_release(&self.release, &[])),
        }
    }

    fn nothing_happened(&self, order: &RollbackOrder, ended: &Ended) -> Failure {
        let what = format!("helm rollback {} {} made no new revision", self.release.name, order.to);
        if ended.timed_out {
            return Failure::new(FailureKind::Timeout, what)
                .because(format!("it was ended after {} s", order.timeout_ms / 1000))
                .next("kubectl cluster-info");
        }
        if ended.exit_code == Some(0) {
            // Helm says that it did something which nobody can see: that is no ground to say `unchanged`.
            return Failure::new(FailureKind::Internal, what)
                .because("helm said success")
                .next(format!(
                    "helm history {} -n {}",
                    self.release.name, self.release.namespace
                ));
        }
        let meaning = meaning(&self.release, order.to, &ended.stderr_tail);
        let kind = match meaning.kind {
            // To the engine these two mean that nobody knows what happened; here it was read back.
            FailureKind::Unreachable | FailureKind::Internal => FailureKind::External,
            kind => kind,
        };
        let mut failure = Failure::new(kind, what).because(meaning.why);
        failure.next = meaning.next;
        failure
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
            return Err(Failure::new(
                FailureKind::NotFound,
                format!("release {} has no revision {revision}", self.release),
            )
            .because(format!(
                "its history holds {}; older ones were pruned",
                known.join(", ")
            ))
            .next(format!(
                "helm history {} -n {}",
                self.release.name, self.release.namespace
            )));
        };
        self.read(summary).await
    }

    async fn helm(&self) -> Result<HelmInfo, Failure> {
        self.binary.info().await
    }

    fn diff(
        &self,
        current: &ReleaseRecord,
        target: &ReleaseRecord,
        live: &[Value],
    ) -> Result<Vec<ObjectDiff>, Failure> {
        diff(current, target, live)
    }

    fn stranded(
        &self,
        applied: &ReleaseRecord,
        current: &ReleaseRecord,
        target: &ReleaseRecord,
        live: &[Value],
    ) -> Result<Vec<String>, Failure> {
        stranded(applied, current, target, live)
    }

    async fn rollback(&self, order: &RollbackOrder) -> Result<RolledBack, Failure> {
        self.assert_unchanged(order).await.map_err(before_helm)?;
        let ended = self.binary.rollback(&self.release, order).await?;
        let made = Revision(order.from.0.saturating_add(1));
        match self.read_back(made).await {
            Ok(Some(record)) => Ok(RolledBack {
                record,
                exit_code: ended.exit_code,
                stderr_tail: ended.stderr_tail,
            }),
            Ok(None) => Err(self.nothing_happened(order, &ended)),
            Err(failure) => Err(Failure::new(
                FailureKind::Unreachable,
                format!("helm ended, but it is unknown whether it made revision {made}"),
            )
            .because(failure.to_string())
            .next(format!(
                "helm history {} -n {}",
                self.release.name, self.release.namespace
            ))),
        }
    }
}

/// A failure before helm was started leaves no doubt about what it did, whatever its kind was.
fn before_helm(mut failure: Failure) -> Failure {
    if matches!(failure.kind, FailureKind::Unreachable | FailureKind::Internal) {
        failure.kind = FailureKind::External;
    }
    failure
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

    fn ended(exit_code: Option<i32>, timed_out: bool, stderr: &str) -> Ended {
        Ended {
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
    fn without_a_new_record_the_kind_never_says_unknown_unless_helm_said_success() {
        let failed = |e| releases().nothing_happened(&order(), &e).kind;
        assert_eq!(
            failed(ended(Some(1), false, "Error: Kubernetes cluster unreachable: x")),
            FailureKind::External
        );
        assert_eq!(
            failed(ended(Some(1), false, "Error: release: already exists")),
            FailureKind::Conflict
        );
        assert_eq!(failed(ended(None, true, "")), FailureKind::Timeout);
        assert_eq!(failed(ended(Some(0), false, "")), FailureKind::Internal);
    }
}
