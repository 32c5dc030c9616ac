//! The revisions that were read so far, and what they say of each other.

use std::collections::BTreeMap;

use futures::future::join_all;

use crate::failure::Failure;
use crate::journal::RunState;
use crate::ports::Releases;
use crate::release::{ReleaseRecord, ReleaseStatus, Revision, RevisionSummary};

/// Number of revisions among which a rollback that lost its mark is looked for: as many as Helm keeps unless told
/// otherwise.
const LOOK_BACK: usize = 10;

/// A release's revisions. Labels are known for all, records are read as they are needed: each is a request.
pub(crate) struct RevisionHistory<'a> {
    releases: &'a dyn Releases,
    /// All revisions, ascending.
    pub(crate) summaries: Vec<RevisionSummary>,
    records: BTreeMap<Revision, Result<ReleaseRecord, Failure>>,
}

impl<'a> RevisionHistory<'a> {
    /// Revisions in ascending order.
    pub(crate) fn new(releases: &'a dyn Releases, mut summaries: Vec<RevisionSummary>) -> Self {
        summaries.sort_by_key(|summary| summary.revision);
        Self {
            releases,
            summaries,
            records: BTreeMap::new(),
        }
    }

    /// The label of a revision.
    pub(crate) fn summary(&self, revision: Revision) -> Option<&RevisionSummary> {
        self.summaries.iter().find(|summary| summary.revision == revision)
    }

    /// The revisions below, newest first.
    pub(crate) fn below(&self, revision: Revision) -> Vec<RevisionSummary> {
        let below = self
            .summaries
            .iter()
            .rev()
            .filter(|summary| summary.revision < revision);
        below.cloned().collect()
    }

    /// Reads the records that were not read yet, side by side.
    pub(crate) async fn read(&mut self, revisions: impl IntoIterator<Item = Revision>) {
        let missing: Vec<_> = revisions
            .into_iter()
            .filter(|r| !self.records.contains_key(r))
            .collect();
        let read = join_all(missing.iter().map(|r| self.releases.record(*r))).await;
        self.records.extend(missing.into_iter().zip(read));
    }

    /// Reads what is needed to know where a revision returned to.
    pub(crate) async fn read_return(&mut self, revision: Revision) {
        let unmarked = self.get(revision).is_some_and(lost_its_mark);
        if unmarked {
            let older: Vec<_> = self.below(revision).into_iter().take(LOOK_BACK).collect();
            self.read(older.into_iter().map(|summary| summary.revision)).await;
        }
    }

    /// A record, read now if it was not.
    ///
    /// # Errors
    /// As [`Releases::record`].
    pub(crate) async fn record(&mut self, revision: Revision) -> Result<ReleaseRecord, Failure> {
        self.read([revision]).await;
        match self.records.get(&revision) {
            Some(read) => read.clone(),
            None => self.releases.record(revision).await,
        }
    }

    /// A record that was read.
    pub(crate) fn get(&self, revision: Revision) -> Option<&ReleaseRecord> {
        self.records.get(&revision).and_then(|read| read.as_ref().ok())
    }

    /// Returns the revision that a rollback went back to, as its record says. A failed rollback's record may have lost
    /// that (Helm puts the error in the description; helm v3.22 `pkg/action/rollback.go`): then the manifest tells,
    /// being an older revision's and not the one before.
    pub(crate) fn returned_to(&self, revision: Revision) -> Option<Revision> {
        let record = self.get(revision)?;
        if record.rolled_back_to.is_some() || !lost_its_mark(record) {
            return record.rolled_back_to;
        }
        let mut below = self.below(revision).into_iter();
        let before = self.get(below.next()?.revision)?;
        if before.manifest_sha256 == record.manifest_sha256 {
            return None;
        }
        below.map(|summary| summary.revision).find(|older| {
            self.get(*older)
                .is_some_and(|r| r.manifest_sha256 == record.manifest_sha256)
        })
    }

    /// The newest return, among the records read so far, that left this revision behind: the revision that it made, and
    /// the one that it went to.
    fn left(&self, revision: Revision) -> Option<(Revision, Revision)> {
        let newer = self.records.keys().rev().filter(|by| **by > revision);
        let mut returns = newer.filter_map(|by| Some((*by, self.returned_to(*by)?)));
        returns.find(|(_, to)| *to < revision)
    }

    /// Returns why this revision is known to be bad, if it is. Its own record and the newer ones must have been read.
    pub(crate) fn known_bad(&self, summary: &RevisionSummary, run_state: &RunState) -> Option<String> {
        let record = self.get(summary.revision);
        if !matches!(summary.status, ReleaseStatus::Deployed | ReleaseStatus::Superseded) {
            let description = record.map(|r| r.description.trim()).filter(|text| !text.is_empty());
            let more = description.map(|text| format!(": {text}")).unwrap_or_default();
            return Some(format!("{}{more}", summary.status));
        }
        if let Some((by, to)) = self.left(summary.revision) {
            let next_to_it = by.0 == summary.revision.0 + 1;
            let how = if next_to_it {
                "rolled back from it"
            } else {
                "went back past it"
            };
            return Some(format!("revision {by} {how} to revision {to}"));
        }
        // By manifest alone: the same number may be another revision after an uninstall and a new install.
        let sha = &record?.manifest_sha256;
        let rejected = run_state
            .rejected
            .iter()
            .rev()
            .find(|rejected| rejected.manifest_sha256 == *sha)?;
        let which = if rejected.revision == summary.revision.0 {
            "it".to_owned()
        } else {
            format!("revision {}, which has the same manifest", rejected.revision)
        };
        Some(format!("an earlier run rolled back from {which}: {}", rejected.reason))
    }
}

/// A failed or pending record without the mark of a rollback may still be one.
fn lost_its_mark(record: &ReleaseRecord) -> bool {
    record.rolled_back_to.is_none() && (record.status == ReleaseStatus::Failed || record.status.is_pending())
}
