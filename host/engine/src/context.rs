//! What a run knows on its way, whatever state it is in. What only some states know is data of those states.

use std::time::Duration;

use crate::event::Event;
use crate::ledger::Ledger;
use crate::ports::Ports;
use crate::progress::Progress;
use crate::report::{RunReport, StateName, StateReached};
use crate::request::Request;
use crate::step_error::StepError;
use crate::traffic::TrafficState;
use crate::workload::GitOpsOwner;

/// Data that a run has in every state.
pub(crate) struct RunContext<'a> {
    pub(crate) ports: Ports<'a>,
    pub(crate) request: &'a Request,
    /// Changes that the run made so far.
    pub(crate) progress: Progress,
    /// State that the run leaves for later ones.
    pub(crate) ledger: Ledger,
    /// Traffic as it was found.
    pub(crate) found: Option<TrafficState>,
    /// The GitOps controller that it suspended, or was about to.
    pub(crate) suspended: Option<GitOpsOwner>,
    /// Commands to type next, best first.
    pub(crate) next: Vec<String>,
    /// RFC 3339 wall-clock time of its start.
    pub(crate) started: String,
    /// Journal records that it wrote.
    pub(crate) last_seq: u64,
    began: Duration,
    report: RunReport,
}

/// A state that is being worked towards.
#[derive(Debug)]
#[must_use]
pub(crate) struct Step {
    pub(crate) state: StateName,
    began: Duration,
}

impl<'a> RunContext<'a> {
    pub(crate) fn new(ports: Ports<'a>, request: &'a Request) -> Self {
        let started = ports.clock.wall();
        Self {
            ports,
            request,
            progress: Progress::Unchanged,
            ledger: Ledger::default(),
            found: None,
            suspended: None,
            next: Vec::new(),
            report: empty_report(request, started.clone()),
            started,
            last_seq: 0,
            began: ports.clock.monotonic(),
        }
    }

    /// Writes into the report. Nothing is read back from it: what a run knows, it knows elsewhere.
    pub(crate) fn write(&mut self, fill_in: impl FnOnce(&mut RunReport)) {
        fill_in(&mut self.report);
    }

    /// The report, once nothing is left to write.
    pub(crate) fn into_report(self) -> RunReport {
        self.report
    }

    /// Seconds since the command began, without the time a person took to confirm.
    pub(crate) fn elapsed(&self) -> f64 {
        (self.request.planning + self.ports.clock.monotonic().saturating_sub(self.began)).as_secs_f64()
    }

    /// Keeps the traffic that the run begins with.
    pub(crate) fn found_traffic(&mut self, found: &TrafficState) {
        self.found = Some(found.clone());
        self.write(|report| report.traffic_before = Some(found.clone()));
        self.saw_traffic(Some(found));
    }

    /// Traffic as it was read last; none where it could not be read.
    pub(crate) fn saw_traffic(&mut self, now: Option<&TrafficState>) {
        self.write(|report| report.traffic_after = now.cloned());
    }

    pub(crate) fn emit(&self, event: Event) {
        self.ports.observer.event(event);
    }

    /// A step failed, unless the operator asked to stop.
    pub(crate) fn say_failed(&self, error: &StepError) {
        if let Some(failure) = error.failure() {
            let failure = failure.clone();
            self.emit(Event::Failed { failure });
        }
    }

    /// Goes no further once the operator asked to stop.
    pub(crate) fn assert_not_interrupted(&self) -> Result<(), StepError> {
        match self.ports.interrupt.is_requested() {
            true => Err(StepError::Interrupted),
            false => Ok(()),
        }
    }

    /// Something to know afterwards too.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.emit(Event::Note { text: text.clone() });
        self.write(|report| report.notes.push(text));
    }

    /// Something that went wrong beside the run.
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.emit(Event::Warning { text: text.clone() });
        self.write(|report| report.notes.push(text));
    }

    /// Starts to work towards a state.
    pub(crate) fn begin(&self, state: StateName, doing: impl Into<String>, deadline: Option<Duration>) -> Step {
        self.announce(state, doing, deadline);
        Step {
            state,
            began: self.ports.clock.monotonic(),
        }
    }

    /// Says what is being done towards a state, and until when.
    pub(crate) fn announce(&self, state: StateName, doing: impl Into<String>, deadline: Option<Duration>) {
        self.emit(Event::Entering {
            state,
            doing: doing.into(),
            deadline_seconds: deadline.map(|d| d.as_secs()),
        });
    }

    /// A state was reached, in the report and for the reporters.
    pub(crate) fn mark(&mut self, step: Step, evidence: Vec<String>) {
        let took = self.ports.clock.monotonic().saturating_sub(step.began).as_secs_f64();
        self.mark_in(step.state, took, evidence);
    }

    /// As [`Self::mark`], for a state whose time was taken elsewhere.
    pub(crate) fn mark_in(&mut self, state: StateName, seconds: f64, evidence: Vec<String>) {
        let reached = StateReached {
            name: state,
            seconds,
            at_seconds: self.elapsed(),
            evidence: evidence.clone(),
        };
        self.write(|report| report.states.push(reached));
        if let Some(summary) = &mut self.ledger.summary {
            summary.state = state;
        }
        self.emit(Event::Reached {
            state,
            seconds,
            evidence,
        });
    }
}

fn empty_report(request: &Request, started: String) -> RunReport {
    RunReport {
        run_id: request.run_id.clone(),
        tool_version: request.tool_version.clone(),
        started,
        release: request.release.name.clone(),
        namespace: request.release.namespace.clone(),
        reason: request.reason.clone(),
        by: Some(request.by.clone()),
        ..RunReport::default()
    }
}
