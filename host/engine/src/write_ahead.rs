//! Writing down every step before it acts and after it looked.

use serde_json::Value;

use crate::context::{RunContext, Step};
use crate::failure::Failure;
use crate::journal::{Entry, RecordKind, TrafficHold};
use crate::report::StateName;
use crate::traffic::TrafficState;

impl RunContext<'_> {
    /// Writes one record.
    pub(crate) async fn append(&mut self, state: StateName, edge: RecordKind) -> Result<(), Failure> {
        let entry = Entry {
            seq: self.last_seq + 1,
            run_id: self.request.run_id.clone(),
            at: self.ports.clock.wall(),
            state,
            edge,
        };
        self.ports.journal.append(&entry).await?;
        self.last_seq = entry.seq;
        Ok(())
    }

    /// Records what is about to be done. `key` is the same for every try of the same step. An error means that the
    /// step must not be done: nobody could finish it from the journal.
    pub(crate) async fn intend(&mut self, step: &Step, key: impl Into<String>, data: Value) -> Result<(), Failure> {
        let key = key.into();
        self.append(step.state, RecordKind::Intent { key, data })
            .await
            .map_err(|failure| failure.because("a step that cannot be written down first is not done"))
    }

    /// Records what was seen on the way to a state. Failing to write it down does not undo what is true.
    pub(crate) async fn observed(&mut self, step: &Step, evidence: Vec<String>) {
        if let Err(failure) = self.append(step.state, RecordKind::Observed { evidence }).await {
            self.warn(format!("what was seen is not in the journal: {failure}"));
        }
    }

    /// Records what was seen: the state is reached. Failing to write it down does not undo what is true.
    pub(crate) async fn reached(&mut self, step: Step, evidence: Vec<String>) {
        let observed = RecordKind::Observed {
            evidence: evidence.clone(),
        };
        if let Err(failure) = self.append(step.state, observed).await {
            self.warn(format!(
                "that {} was reached is not in the journal: {failure}",
                step.state
            ));
        }
        self.mark(step, evidence);
    }

    /// Writes what later runs must know.
    pub(crate) async fn save_state(&mut self) -> Result<(), Failure> {
        self.ledger.end_is_due();
        let run_state = self.ledger.to_write();
        self.ports.journal.save_state(&run_state).await?;
        self.ledger.written(run_state);
        Ok(())
    }

    /// Returns the hold of this run on traffic, with the state to give back.
    pub(crate) fn held(&self, reason: &str, prior: TrafficState) -> TrafficHold {
        TrafficHold {
            run_id: self.request.run_id.clone(),
            since: self.ports.clock.wall(),
            reason: one_line(reason),
            prior,
        }
    }
}

/// A text on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
