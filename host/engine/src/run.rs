//! A run: its states in order, and what it knows on the way.

use std::time::Duration;

use crate::event::Event;
use crate::gitops;
use crate::journal::{Memory, RunSummary};
use crate::plan::Plan;
use crate::ports::World;
use crate::release::ReleaseRecord;
use crate::report::{ExitCode, RunReport, StateName, StateReached};
use crate::request::Request;
use crate::setback::Setback;
use crate::states::locked::Basis;
use crate::states::validated::Proof;
use crate::states::{
    confirmed, done, fenced, held, locked, planned, ready, rolled_back, unchanged, unfenced, unknown, validated,
};
use crate::traffic::TrafficState;
use crate::workload::{GitOpsOwner, ServingPod};

/// Carries a plan out and says everything of it in the report, also when it fails. The plan is checked again once the
/// lock is held: when what it rests on has changed, nothing is done (exit 15).
pub async fn rollback(world: &World<'_>, request: &Request, plan: Plan) -> RunReport {
    let mut run = Run::new(*world, request);
    run.report.from_revision = Some(plan.current.revision);
    run.report.to_revision = Some(plan.target);
    run.report.checks_planned.clone_from(&plan.checks);
    match through_the_states(&mut run, &plan).await {
        Ok(basis) => done::enter(run, &basis).await,
        Err(setback) => after(run, setback).await,
    }
}

async fn through_the_states(run: &mut Run<'_>, plan: &Plan) -> Result<Basis, Setback> {
    planned::enter(run, plan)?;
    let basis = locked::enter(run, plan).await?;
    gitops::suspend(run, plan).await?;
    let fence = fenced::enter(run, plan, &basis).await?;
    let record = rolled_back::enter(run, plan, &basis, &fence).await?;
    let proof = match proved(run, plan, &basis, &record).await {
        Ok(proof) => proof,
        Err(setback) => return Err(ready::blame_another_helm(run, &record, setback).await),
    };
    unfenced::enter(run, &basis, &proof).await?;
    confirmed::enter(run, &basis, &proof).await?;
    Ok(basis)
}

async fn proved(run: &mut Run<'_>, plan: &Plan, basis: &Basis, record: &ReleaseRecord) -> Result<Proof, Setback> {
    let serving = ready::enter(run, plan, record).await?;
    validated::enter(run, plan, basis, record, serving).await
}

async fn after(run: Run<'_>, setback: Setback) -> RunReport {
    if let Some(failure) = setback.failure() {
        run.say(Event::Failed {
            failure: failure.clone(),
        });
    }
    match (run.grip, setback) {
        (Grip::Untouched, setback) => unchanged::enter(run, setback).await,
        (_, Setback::LockLost(failure)) => unknown::enter(run, failure).await,
        (_, setback) => held::enter(run, setback).await,
    }
}

/// What the run did to the world so far; decides how it may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grip {
    /// Nothing.
    Untouched,
    /// The model was told out of traffic, or Helm was run; nothing was given back.
    Taken,
    /// The model was told back into traffic; a failure takes it out again.
    GivenBack,
}

/// What a run knows on its way.
pub(crate) struct Run<'a> {
    pub(crate) world: World<'a>,
    pub(crate) request: &'a Request,
    pub(crate) report: RunReport,
    pub(crate) grip: Grip,
    /// The fence was proved, and nothing was given back since.
    pub(crate) is_fence_proved: bool,
    /// The lock is ours, so the journal and the memory are too.
    pub(crate) holds_lock: bool,
    /// What earlier runs left, and this one adds.
    pub(crate) memory: Memory,
    /// This run's line in the memory, for runs that roll back.
    pub(crate) summary: Option<RunSummary>,
    /// What must be restored in the end.
    pub(crate) prior: Option<TrafficState>,
    /// Pods that go on serving through the run.
    pub(crate) spared: Vec<ServingPod>,
    /// What the memory said when the lock was taken.
    pub(crate) memory_before: Memory,
    /// What was written ahead stays although nothing was seen to change: the change may still come.
    pub(crate) keeps_write_ahead: bool,
    /// The lock was lost: another run may be at work.
    pub(crate) is_lock_lost: bool,
    /// The memory says that this run is at work.
    pub(crate) is_remembered: bool,
    /// The GitOps controller that this run suspended, or was about to.
    pub(crate) suspended: Option<GitOpsOwner>,
    /// The memory says something of this run, so it must also say how the run ends.
    pub(crate) must_remember: bool,
    pub(crate) last_seq: u64,
    began: Duration,
}

/// A state that is being worked towards.
#[derive(Debug)]
#[must_use]
pub(crate) struct Step {
    pub(crate) state: StateName,
    began: Duration,
}

impl<'a> Run<'a> {
    pub(crate) fn new(world: World<'a>, request: &'a Request) -> Self {
        Self {
            world,
            request,
            report: empty_report(world, request),
            grip: Grip::Untouched,
            is_fence_proved: false,
            holds_lock: false,
            memory: Memory::default(),
            summary: None,
            prior: None,
            spared: Vec::new(),
            memory_before: Memory::default(),
            keeps_write_ahead: false,
            is_lock_lost: false,
            is_remembered: false,
            suspended: None,
            must_remember: false,
            last_seq: 0,
            began: world.clock.monotonic(),
        }
    }

    /// Seconds since the command began, without the time a person took to confirm.
    fn elapsed(&self) -> f64 {
        (self.request.planning + self.world.clock.monotonic().saturating_sub(self.began)).as_secs_f64()
    }

    pub(crate) fn say(&self, event: Event) {
        self.world.observer.event(event);
    }

    /// Something to know afterwards too.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.say(Event::Note { text: text.clone() });
        self.report.notes.push(text);
    }

    /// Something that went wrong beside the run.
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.say(Event::Warning { text: text.clone() });
        self.report.notes.push(text);
    }

    /// Starts to work towards a state.
    pub(crate) fn begin(&self, state: StateName, doing: impl Into<String>, deadline: Option<Duration>) -> Step {
        self.announce(state, doing, deadline);
        Step {
            state,
            began: self.world.clock.monotonic(),
        }
    }

    /// Says what is being done towards a state, and until when.
    pub(crate) fn announce(&self, state: StateName, doing: impl Into<String>, deadline: Option<Duration>) {
        self.say(Event::Entering {
            state,
            doing: doing.into(),
            deadline_seconds: deadline.map(|d| d.as_secs()),
        });
    }

    /// A state was reached, in the report and for the reporters.
    pub(crate) fn mark(&mut self, step: Step, evidence: Vec<String>) {
        let took = self.world.clock.monotonic().saturating_sub(step.began).as_secs_f64();
        self.mark_in(step.state, took, evidence);
    }

    /// As [`Self::mark`], for a state whose time was taken elsewhere.
    pub(crate) fn mark_in(&mut self, state: StateName, seconds: f64, evidence: Vec<String>) {
        self.report.states.push(StateReached {
            name: state,
            seconds,
            at_seconds: self.elapsed(),
            evidence: evidence.clone(),
        });
        if let Some(summary) = &mut self.summary {
            summary.state = state;
        }
        self.say(Event::Reached {
            state,
            seconds,
            evidence,
        });
    }

    /// Writes what is left to write, gives the lock back, and closes the report.
    pub(crate) async fn close(mut self, outcome: StateName, exit_code: ExitCode, line: String) -> RunReport {
        self.report.outcome = outcome;
        self.report.exit_code = exit_code;
        let afterwards = self.suspended.as_ref().map(GitOpsOwner::afterwards);
        if let Some(step) = afterwards.filter(|step| !self.report.next.contains(step)) {
            self.report.next.push(step);
        }
        if self.holds_lock {
            self.journal_end(exit_code, &line).await;
            if let Err(failure) = self.world.lock.release().await {
                self.warn(format!(
                    "the lock could not be given back and runs out by itself: {failure}"
                ));
            }
        }
        self.report.seconds = self.elapsed();
        self.world.observer.event(Event::Finished {
            report: Box::new(self.report.clone()),
        });
        self.report
    }
}

fn empty_report(world: World<'_>, request: &Request) -> RunReport {
    RunReport {
        run_id: request.run_id.clone(),
        tool_version: request.tool_version.clone(),
        started: world.clock.wall(),
        seconds: 0.0,
        release: request.release.name.clone(),
        namespace: request.release.namespace.clone(),
        reason: request.reason.clone(),
        by: Some(request.by.clone()),
        // Until a state says otherwise, nothing is known: a report that escapes early must not claim success.
        outcome: StateName::Unknown,
        exit_code: ExitCode::Unknown,
        from_revision: None,
        to_revision: None,
        new_revision: None,
        states: Vec::new(),
        checks_planned: Vec::new(),
        checks: Vec::new(),
        causes: Vec::new(),
        traffic_before: None,
        traffic_after: None,
        failure: None,
        notes: Vec::new(),
        next: Vec::new(),
        artifacts: Vec::new(),
    }
}
