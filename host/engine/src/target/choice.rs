//! What is asked for, and what was chosen.

use std::collections::BTreeSet;

use crate::plan::Skipped;
use crate::release::{ReleaseRecord, ReleaseRef, Revision, RevisionSummary};
use crate::request::{Override, RollbackTarget};
use crate::resume::earlier::CompletedByEarlierRun;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct TargetQuery<'a> {
    /// The release.
    pub release: &'a ReleaseRef,
    /// Where to go.
    pub target: RollbackTarget,
    /// What the operator accepted by name.
    pub accept: &'a BTreeSet<Override>,
    /// RFC 3339 wall-clock time.
    pub now: &'a str,
    /// The verb that hints name: `resume`, or empty for a rollback.
    pub verb: &'a str,
}

/// Where the run goes, and from where.
#[derive(Debug, Clone)]
pub struct ResolvedTarget {
    /// The label of the newest revision.
    pub newest: RevisionSummary,
    /// The newest revision in any status: what is current.
    pub current: ReleaseRecord,
    /// Where the run goes.
    pub target: ReleaseRecord,
    /// Newer revisions that were passed over, newest first.
    pub skipped: Vec<Skipped>,
    /// What the operator should know of this choice.
    pub notes: Vec<String>,
    /// An earlier run's rollback that is done already, so that Helm is not run again.
    pub(crate) continued: Option<CompletedByEarlierRun>,
    /// Where the current revision went back to, when it is a rollback.
    pub(crate) returned_to: Option<Revision>,
    /// The last revision that was applied to its end, when the current one was not and the target is another.
    pub(crate) applied: Option<ReleaseRecord>,
}
