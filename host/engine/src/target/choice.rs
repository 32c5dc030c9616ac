//! What is asked for, and what was chosen.

use std::collections::BTreeSet;

use crate::plan::Skipped;
use crate::release::{ReleaseRecord, ReleaseRef, Revision, RevisionSummary};
use crate::request::{Override, RollbackTarget};
use crate::resume::earlier::CompletedByEarlierRun;

/// Question for the target of a run.
#[derive(Debug, Clone, Copy)]
pub struct TargetQuery<'a> {
    /// The release.
    pub release: &'a ReleaseRef,
    /// Revision that is asked for.
    pub target: RollbackTarget,
    /// Overrides that the operator accepted by name.
    pub accept: &'a BTreeSet<Override>,
    /// RFC 3339 wall-clock time.
    pub now: &'a str,
    /// The verb that hints name: `resume`, or empty for a rollback.
    pub verb: &'a str,
}

/// Target of a run, with the revision it goes back from.
#[derive(Debug, Clone)]
pub struct ResolvedTarget {
    /// The label of the newest revision.
    pub newest: RevisionSummary,
    /// The newest revision in any status: what is current.
    pub current: ReleaseRecord,
    /// Revision that the run goes to.
    pub target: ReleaseRecord,
    /// Newer revisions that were passed over, newest first.
    pub skipped: Vec<Skipped>,
    /// Facts about this choice that the operator should know.
    pub notes: Vec<String>,
    /// An earlier run's rollback that is done already, so that Helm is not run again.
    pub(crate) continued: Option<CompletedByEarlierRun>,
    /// Revision that the current one went back to, when it is a rollback.
    pub(crate) returned_to: Option<Revision>,
    /// The last revision that was applied to its end, when the current one was not and the target is another.
    pub(crate) applied: Option<ReleaseRecord>,
}
