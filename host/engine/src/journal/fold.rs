//! What a journal comes to: the states that were reached, the steps that were written ahead and not seen to be done, the end.

use std::fmt;

use super::{Journalled, RecordKind, RunSummary};
use crate::report::StateName;

/// Progress of a run towards a state, as its journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepReach {
    /// Nothing of it is written.
    NotBegun,
    /// The step was written ahead; the journal does not say whether it was done.
    Begun,
    /// The step was seen to be done.
    Reached,
}

/// A step that was about to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenAhead {
    /// Towards which state.
    pub state: StateName,
    /// Idempotency key: the same for every try of the same step.
    pub key: String,
}

/// Point from which a journal cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// This line was changed or is damaged.
    Damaged(usize),
    /// A record with this number should come next, and another does.
    Missing(u64),
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(line) => write!(f, "line {line} was changed or is damaged"),
            Self::Missing(seq) => write!(f, "record {seq} is missing"),
        }
    }
}

/// Result of folding a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalState {
    /// States that were reached, in order, each once.
    pub reached: Vec<StateName>,
    /// Steps that were written ahead and not seen to be done, each key once.
    pub open: Vec<WrittenAhead>,
    /// The exit code, when the run ended.
    pub end: Option<i32>,
    /// Point from which it cannot be trusted: what follows is not in here.
    pub gap: Option<Gap>,
    /// Nothing is missing, so what is not in here did not happen: every step is on disk before it is done.
    pub is_whole: bool,
}

/// Folds a run's records, in their order, up to the first that is damaged, missing or of another run.
pub fn fold(journal: &Journalled) -> JournalState {
    let mut state = JournalState {
        gap: journal.damaged.map(Gap::Damaged),
        ..JournalState::default()
    };
    let run_id = journal.entries.first().map(|first| &first.run_id);
    for (entry, expected) in journal.entries.iter().zip(1..) {
        if entry.seq != expected || Some(&entry.run_id) != run_id {
            state.gap = Some(Gap::Missing(expected));
            break;
        }
        match &entry.edge {
            RecordKind::Intent { key, .. } => {
                let step = WrittenAhead {
                    state: entry.state,
                    key: key.clone(),
                };
                if !state.open.contains(&step) {
                    state.open.push(step);
                }
            }
            RecordKind::Observed { .. } => {
                state.open.retain(|step| step.state != entry.state);
                if !state.reached.contains(&entry.state) {
                    state.reached.push(entry.state);
                }
            }
            RecordKind::Finished { exit_code, .. } => state.end = Some(*exit_code),
        }
    }
    state.is_whole = state.gap.is_none() && !journal.entries.is_empty();
    state
}

impl JournalState {
    /// Makes the state of a run from the cluster's copy: the last state that was mirrored, and so all before it, counts
    /// as reached.
    pub fn mirrored(run: &RunSummary) -> Self {
        const ORDER: [StateName; 8] = [
            StateName::Locked,
            StateName::Fenced,
            StateName::RolledBack,
            StateName::Ready,
            StateName::Validated,
            StateName::Unfenced,
            StateName::Confirmed,
            StateName::Done,
        ];
        let last = ORDER.iter().position(|state| *state == run.state);
        Self {
            reached: ORDER.iter().take(last.map_or(0, |at| at + 1)).copied().collect(),
            end: run.exit_code,
            ..Self::default()
        }
    }

    /// Of this and what the cluster's copy says, the one that came further. A copy is written at some steps only, and
    /// a file may have lost its end. What this one says of its own damage stays.
    #[must_use]
    pub fn or_newer(self, mirrored: Self) -> Self {
        if mirrored.reached.len() > self.reached.len() {
            Self {
                gap: self.gap,
                ..mirrored
            }
        } else {
            self
        }
    }

    /// Returns how far the run came on the way to a state.
    pub fn reach(&self, state: StateName) -> StepReach {
        if self.open.iter().any(|step| step.state == state) {
            StepReach::Begun
        } else if self.reached.contains(&state) {
            StepReach::Reached
        } else {
            StepReach::NotBegun
        }
    }
}
