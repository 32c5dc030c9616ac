//! Writing down every step before it acts and after it looked.

use serde_json::Value;

use crate::failure::Failure;
use crate::journal::{Edge, Entry, Held, Memory, Rejected};
use crate::report::{ExitCode, StateName};
use crate::run::{Run, Step};
use crate::traffic::TrafficState;

/// Summaries that the memory keeps.
const KEPT_RUNS: usize = 20;
/// Rejected revisions that the memory keeps: more than Helm keeps revisions.
const KEPT_REJECTED: usize = 40;

impl Run<'_> {
    async fn append(&mut self, state: StateName, edge: Edge) -> Result<(), Failure> {
        let entry = Entry {
            seq: self.last_seq + 1,
            run_id: self.request.run_id.clone(),
            at: self.world.clock.wall(),
            state,
            edge,
        };
        self.world.journal.append(&entry).await?;
        self.last_seq = entry.seq;
        Ok(())
    }

    /// Records what is about to be done. `key` is the same for every try of the same step. An error means that the
    /// step must not be done: nobody could finish it from the journal.
    pub(crate) async fn intend(&mut self, step: &Step, key: impl Into<String>, data: Value) -> Result<(), Failure> {
        let key = key.into();
        self.append(step.state, Edge::Intent { key, data })
            .await
            .map_err(|failure| failure.because("a step that cannot be written down first is not done"))
    }

    /// Records what was seen on the way to a state. Failing to write it down does not undo what is true.
    pub(crate) async fn observed(&mut self, step: &Step, evidence: Vec<String>) {
        if let Err(failure) = self.append(step.state, Edge::Observed { evidence }).await {
            self.warn(format!("what was seen is not in the journal: {failure}"));
        }
    }

    /// Records what was seen: the state is reached. Failing to write it down does not undo what is true.
    pub(crate) async fn reached(&mut self, step: Step, evidence: Vec<String>) {
        let observed = Edge::Observed {
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
    pub(crate) async fn remember(&mut self) -> Result<(), Failure> {
        self.must_remember = true;
        let mut memory = self.memory.clone();
        if let Some(summary) = &self.summary {
            memory.runs.retain(|run| run.run_id != summary.run_id);
            memory.runs.push(summary.clone());
        }
        trim(&mut memory);
        self.world.journal.remember(&memory).await?;
        self.memory = memory;
        self.is_remembered = true;
        Ok(())
    }

    /// The memory says that this run is unfinished, so the next one is refused until that is put right.
    fn name_what_others_ask_for(&mut self) {
        if !self.is_remembered {
            return;
        }
        let release = &self.request.release;
        let refused = release.command("", "");
        let next = &mut self.report.next;
        next.retain(|step| !step.ends_with(&refused));
        for (at, words) in [("finish it", "resume"), ("or end it in a safe state", "abort")]
            .iter()
            .enumerate()
        {
            let step = format!("{}: {}", words.0, release.command(words.1, ""));
            if !next.iter().any(|known| known.ends_with(&release.command(words.1, ""))) {
                next.insert(at.min(next.len()), step);
            }
        }
    }

    /// What this run holds, with the state to give back.
    pub(crate) fn held(&self, reason: &str, prior: TrafficState) -> Held {
        Held {
            run_id: self.request.run_id.clone(),
            since: self.world.clock.wall(),
            reason: one_line(reason),
            prior,
        }
    }

    /// The run ended: in the journal, and in the memory if the run was ever in there. Neither stops the end.
    pub(crate) async fn journal_end(&mut self, exit_code: ExitCode, line: &str) {
        let summary = one_line(line);
        if let Some(run) = &mut self.summary {
            run.state = self.report.outcome;
            run.exit_code = Some(exit_code.number());
            run.summary.clone_from(&summary);
        }
        let finished = Edge::Finished {
            exit_code: exit_code.number(),
            summary,
        };
        if let Err(failure) = self.append(self.report.outcome, finished).await {
            self.warn(format!("the end of the run is not in the journal: {failure}"));
        }
        if self.must_remember
            && !self.is_lock_lost
            && let Err(failure) = self.remember().await
        {
            self.warn(format!("later runs cannot see how this one ended: {failure}"));
            self.name_what_others_ask_for();
        }
    }
}

/// Adds a rejected revision, or renews its reason.
pub(crate) fn reject(memory: &mut Memory, rejected: Rejected) {
    memory
        .rejected
        .retain(|old| old.manifest_sha256 != rejected.manifest_sha256);
    memory.rejected.push(rejected);
}

fn trim(memory: &mut Memory) {
    let surplus = memory.runs.len().saturating_sub(KEPT_RUNS);
    memory.runs.drain(..surplus);
    let surplus = memory.rejected.len().saturating_sub(KEPT_REJECTED);
    memory.rejected.drain(..surplus);
}

/// A text on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
