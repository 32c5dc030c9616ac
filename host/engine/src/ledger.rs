//! What a run leaves for later ones, and whether it may write it.

use crate::journal::{Memory, Rejected, RunSummary};

/// Summaries that the memory keeps.
const KEPT_RUNS: usize = 20;
/// Rejected revisions that the memory keeps: more than Helm keeps revisions.
const KEPT_REJECTED: usize = 40;

/// How the run stands to what the lock guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The lock is not ours: what later runs read is not ours to write.
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

/// What a run leaves for later ones.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Whether it may be written.
    pub(crate) standing: Standing,
    /// What earlier runs left, and this one adds.
    pub(crate) memory: Memory,
    /// This run's line in it, for runs that roll back.
    pub(crate) summary: Option<RunSummary>,
    /// What it said when the lock was taken.
    found: Memory,
}

impl Ledger {
    /// Nothing is known before the lock is held.
    pub(crate) fn unlocked() -> Self {
        Self {
            standing: Standing::Unlocked,
            memory: Memory::default(),
            summary: None,
            found: Memory::default(),
        }
    }

    /// The lock is ours.
    pub(crate) fn lock(&mut self) {
        self.standing = Standing::Locked;
    }

    /// Takes over what earlier runs left.
    pub(crate) fn open(&mut self, memory: Memory) {
        self.found = memory.clone();
        self.memory = memory;
    }

    /// Forgets what this run added.
    pub(crate) fn take_back(&mut self) {
        self.memory = self.found.clone();
    }

    /// Later runs must read how this one ends.
    pub(crate) fn end_is_due(&mut self) {
        if self.standing == Standing::Locked {
            self.standing = Standing::Due;
        }
    }

    /// How this run ends must be written, and may be.
    pub(crate) fn must_tell_the_end(&self) -> bool {
        matches!(self.standing, Standing::Due | Standing::Announced)
    }

    /// The text to write, with this run's line in it and cut to what is kept.
    pub(crate) fn to_write(&self) -> Memory {
        let mut memory = self.memory.clone();
        if let Some(summary) = &self.summary {
            memory.runs.retain(|run| run.run_id != summary.run_id);
            memory.runs.push(summary.clone());
        }
        let surplus = memory.runs.len().saturating_sub(KEPT_RUNS);
        memory.runs.drain(..surplus);
        let surplus = memory.rejected.len().saturating_sub(KEPT_REJECTED);
        memory.rejected.drain(..surplus);
        memory
    }

    /// That text was written.
    pub(crate) fn written(&mut self, memory: Memory) {
        self.memory = memory;
        self.standing = Standing::Announced;
    }

    /// Adds a rejected revision, or renews its reason.
    pub(crate) fn reject(&mut self, rejected: Rejected) {
        let known = &mut self.memory.rejected;
        known.retain(|old| old.manifest_sha256 != rejected.manifest_sha256);
        known.push(rejected);
    }
}
