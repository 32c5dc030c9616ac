//! What a run leaves for later ones, and whether it may write it.

use crate::journal::{Rejected, RunState, RunSummary};

/// Summaries that the memory keeps.
const KEPT_RUNS: usize = 20;
/// Rejected revisions that the memory keeps: more than Helm keeps revisions.
const KEPT_REJECTED: usize = 40;

/// Permission of the run to write what the lock guards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum WriteAccess {
    /// The lock is not ours: what later runs read is not ours to write.
    #[default]
    Unlocked,
    /// The lock is ours; later runs need not know of this one.
    Locked,
    /// Later runs must read how this one ends. Whether they read already that it is at work is not known.
    Due,
    /// Later runs read that this one is at work.
    Announced,
    /// The lock was lost: another run may be at work, and what later runs read is its to write.
    Lost,
}

/// Shared state that a run leaves for later ones. Nothing is known before the lock is held.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Permission to write.
    pub(crate) access: WriteAccess,
    /// State that earlier runs left, with what this run adds.
    pub(crate) run_state: RunState,
    /// This run's line in it, for runs that roll back.
    pub(crate) summary: Option<RunSummary>,
    /// State as it was when the lock was taken.
    found: RunState,
}

impl Ledger {
    /// Takes over what earlier runs left.
    pub(crate) fn open(&mut self, run_state: RunState) {
        self.found = run_state.clone();
        self.run_state = run_state;
    }

    /// Forgets what this run added.
    pub(crate) fn take_back(&mut self) {
        self.run_state = self.found.clone();
    }

    /// Later runs must read how this one ends.
    pub(crate) fn end_is_due(&mut self) {
        if self.access == WriteAccess::Locked {
            self.access = WriteAccess::Due;
        }
    }

    /// Says whether the end of this run has to be written, and may be.
    pub(crate) fn must_tell_the_end(&self) -> bool {
        matches!(self.access, WriteAccess::Due | WriteAccess::Announced)
    }

    /// The text to write, with this run's line in it and cut to what is kept.
    pub(crate) fn to_write(&self) -> RunState {
        let mut run_state = self.run_state.clone();
        if let Some(summary) = &self.summary {
            run_state.runs.retain(|run| run.run_id != summary.run_id);
            run_state.runs.push(summary.clone());
        }
        let surplus = run_state.runs.len().saturating_sub(KEPT_RUNS);
        run_state.runs.drain(..surplus);
        let surplus = run_state.rejected.len().saturating_sub(KEPT_REJECTED);
        run_state.rejected.drain(..surplus);
        run_state
    }

    /// That text was written.
    pub(crate) fn written(&mut self, run_state: RunState) {
        self.run_state = run_state;
        self.access = WriteAccess::Announced;
    }

    /// Adds a rejected revision, or renews its reason.
    pub(crate) fn reject(&mut self, rejected: Rejected) {
        let known = &mut self.run_state.rejected;
        known.retain(|old| old.manifest_sha256 != rejected.manifest_sha256);
        known.push(rejected);
    }
}
