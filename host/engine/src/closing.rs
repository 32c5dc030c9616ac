//! The end of a run: what is left to write is written, and the lock is given back.

use crate::context::RunContext;
use crate::event::Event;
use crate::failure::Failure;
use crate::journal::RecordKind;
use crate::ledger::WriteAccess;
use crate::report::{ExitCode, RunReport, StateName};
use crate::workload::GitOpsOwner;
use crate::write_ahead::one_line;

impl RunContext<'_> {
    /// As [`Self::close`], with why the run did not end in done.
    pub(crate) async fn close_failed(mut self, outcome: StateName, exit_code: ExitCode, failure: Failure) -> RunReport {
        let line = failure.to_string();
        self.write(|report| report.failure = Some(failure));
        self.close(outcome, exit_code, line).await
    }

    /// Writes what is left to write, gives the lock back, and closes the report.
    pub(crate) async fn close(mut self, outcome: StateName, exit_code: ExitCode, line: String) -> RunReport {
        let after_run = self.suspended.as_ref().map(GitOpsOwner::post_run_notes);
        if let Some(step) = after_run.filter(|step| !self.next.contains(step)) {
            self.next.push(step);
        }
        if self.ledger.access != WriteAccess::Unlocked {
            self.journal_end(outcome, exit_code, &line).await;
            if let Err(failure) = self.ports.lock.release().await {
                self.warn(format!(
                    "the lock could not be given back and runs out by itself: {failure}"
                ));
            }
        }
        let (next, seconds) = (std::mem::take(&mut self.next), self.elapsed());
        self.write(|report| {
            report.outcome = outcome;
            report.exit_code = exit_code;
            report.next = next;
            report.seconds = seconds;
        });
        let observer = self.ports.observer;
        let report = self.into_report();
        observer.event(Event::Finished {
            report: Box::new(report.clone()),
        });
        report
    }

    /// The run ended: in the journal, and in the memory if the run was ever in there. Neither stops the end.
    async fn journal_end(&mut self, outcome: StateName, exit_code: ExitCode, line: &str) {
        let summary = one_line(line);
        if let Some(run) = &mut self.ledger.summary {
            run.state = outcome;
            run.exit_code = Some(exit_code.number());
            run.summary.clone_from(&summary);
        }
        let finished = RecordKind::Finished {
            exit_code: exit_code.number(),
            summary,
        };
        if let Err(failure) = self.append(outcome, finished).await {
            self.warn(format!("the end of the run is not in the journal: {failure}"));
        }
        if self.ledger.must_tell_the_end()
            && let Err(failure) = self.save_state().await
        {
            self.warn(format!("later runs cannot see how this one ended: {failure}"));
            if self.ledger.access == WriteAccess::Announced {
                self.add_unfinished_hints();
            }
        }
    }

    /// The memory says that this run is unfinished, so the next one is refused until that is put right.
    fn add_unfinished_hints(&mut self) {
        let release = &self.request.release;
        let refused = release.command("", "");
        let next = &mut self.next;
        next.retain(|step| !step.ends_with(&refused));
        let steps = [("finish it", "resume"), ("or end it in a safe state", "abort")];
        for (at, (what, verb)) in steps.into_iter().enumerate() {
            let command = release.command(verb, "");
            if !next.iter().any(|known| known.ends_with(&command)) {
                next.insert(at.min(next.len()), release.hint(what, verb));
            }
        }
    }
}
