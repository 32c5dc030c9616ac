//! One process of the tool: the ports of one run, and where trouble strikes it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::event::{Event, Observer};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::{Clock, Interrupt, Ports};
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_engine::report::RunReport;
use vllm_rollback_engine::request::Request;
use vllm_rollback_engine::{abort, plan, rollback};

use super::executor::{finish, give_way};
use super::state::{Sim, World as Truth};

/// Failure of a port call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call fails, and nothing was done.
    Fails(FailureKind),
    /// The call is done, and its answer is lost.
    LosesAnswer,
    /// The process dies before it is done.
    DiesBefore,
    /// The process dies once it is done.
    DiesAfter,
    /// Somebody else takes the lock.
    LosesLock,
}

/// Moment at which a port call fails.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// At this port call, counted from 0.
    Call(u32),
    /// At every call of this name.
    Every(&'static str),
}

/// One process of the tool.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) sim: Sim,
    pub(crate) request: Request,
    pub(crate) faults: BTreeMap<Trouble, Fault>,
    /// The operator asks to stop once this many port calls were made.
    pub(crate) interrupt_at: Option<u32>,
    /// `registry enable`: the operator answers for it, so no check is asked for.
    pub(crate) is_by_operator: bool,
    pub(crate) events: Mutex<Vec<Event>>,
    /// Names of the port calls made.
    pub(crate) calls: Mutex<Vec<&'static str>>,
    made: AtomicU32,
    dead: AtomicBool,
}

impl Client {
    pub(crate) fn new(sim: &Sim, run_id: &str) -> Self {
        let release = ReleaseRef {
            namespace: "prod".into(),
            name: "llama".into(),
        };
        Self {
            sim: sim.clone(),
            request: Request {
                reason: Some(format!("reason of {run_id}")),
                ..Request::new(release, run_id, format!("ann-{run_id}"))
            },
            faults: BTreeMap::new(),
            interrupt_at: None,
            is_by_operator: false,
            events: Mutex::default(),
            calls: Mutex::default(),
            made: AtomicU32::new(0),
            dead: AtomicBool::new(false),
        }
    }

    pub(crate) fn with(mut self, when: Trouble, fault: Fault) -> Self {
        self.faults.insert(when, fault);
        self
    }

    pub(crate) fn asking(mut self, change: impl FnOnce(&mut Request)) -> Self {
        change(&mut self.request);
        self
    }

    pub(crate) fn world(&self) -> Ports<'_> {
        Ports {
            releases: self,
            workloads: self,
            registry: self,
            checks: self,
            lock: self,
            journal: self,
            clock: self,
            interrupt: self,
            observer: self,
        }
    }

    /// Plans and runs; nothing when the process died.
    pub(crate) fn run(&self) -> Option<Result<RunReport, Failure>> {
        finish(self, self.both())
    }

    /// As [`Self::run`], but a run that is not finished is resumed instead.
    pub(crate) fn run_or_resume(&self) -> Option<Result<RunReport, Failure>> {
        match self.run()? {
            Err(failure) if failure.kind == FailureKind::Unfinished => self.resume(),
            ended => Some(ended),
        }
    }

    /// Finishes the run that was cut off; nothing when this process died too.
    pub(crate) fn resume(&self) -> Option<Result<RunReport, Failure>> {
        let request = Request {
            resumes: true,
            ..self.request.clone()
        };
        finish(self, self.carry_out(&request))
    }

    /// Ends the run that was cut off; nothing when this process died too.
    pub(crate) fn abort(&self) -> Option<RunReport> {
        finish(self, abort(&self.world(), &self.request))
    }

    /// Plans and runs.
    pub(crate) async fn both(&self) -> Result<RunReport, Failure> {
        self.carry_out(&self.request).await
    }

    async fn carry_out(&self, request: &Request) -> Result<RunReport, Failure> {
        let world = self.world();
        let plan = plan(&world, request).await?;
        Ok(rollback(&world, request, plan).await)
    }

    /// Plans and runs, where neither dying nor being refused a plan is expected.
    #[track_caller]
    pub(crate) fn report(&self) -> RunReport {
        match self.run() {
            Some(Ok(report)) => report,
            Some(Err(failure)) => panic!("no plan: {failure}"),
            None => panic!("the process died"),
        }
    }

    /// The failure of planning.
    #[track_caller]
    pub(crate) fn no_plan(&self) -> Failure {
        match self.run() {
            Some(Err(failure)) => failure,
            Some(Ok(report)) => panic!("it ran: {:?}", report.outcome),
            None => panic!("the process died"),
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    pub(crate) fn calls_made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    /// The number of the first call of this name among those made.
    #[track_caller]
    pub(crate) fn first_call(&self, name: &str) -> u32 {
        let calls = self.calls.lock().unwrap();
        let at = calls.iter().position(|call| *call == name);
        u32::try_from(at.unwrap_or_else(|| panic!("{name} was not called"))).unwrap()
    }

    /// The number of the last call of this name among those made.
    #[track_caller]
    pub(crate) fn last_call(&self, name: &str) -> u32 {
        let calls = self.calls.lock().unwrap();
        let at = calls.iter().rposition(|call| *call == name);
        u32::try_from(at.unwrap_or_else(|| panic!("{name} was not called"))).unwrap()
    }

    pub(crate) fn happened(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// One port call: gives way to others, then has its effect, unless trouble strikes.
    pub(super) async fn call<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut Truth) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        give_way().await;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.calls.lock().unwrap().push(name);
        self.sim.world().milliseconds += 10;
        let strikes = |when| self.faults.get(&when).copied();
        match strikes(Trouble::Call(number)).or_else(|| strikes(Trouble::Every(name))) {
            None => effect(&mut self.sim.world()),
            Some(Fault::Fails(kind)) => Err(Failure::new(kind, format!("{name} failed"))),
            Some(Fault::LosesAnswer) => {
                let _ = effect(&mut self.sim.world());
                Err(Failure::new(FailureKind::Unreachable, format!("{name} gave no answer")))
            }
            Some(Fault::DiesBefore) => self.die().await,
            Some(Fault::DiesAfter) => {
                let _ = effect(&mut self.sim.world());
                self.die().await
            }
            Some(Fault::LosesLock) => {
                self.sim.world().lock = Some(("thief".into(), "somebody else".into()));
                effect(&mut self.sim.world())
            }
        }
    }

    async fn die<T>(&self) -> T {
        self.sim.world().dead.insert(self.request.run_id.clone());
        self.dead.store(true, Ordering::Relaxed);
        std::future::pending().await
    }
}

impl Observer for Client {
    fn event(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }
}

impl Clock for Client {
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.sim.world().milliseconds)
    }

    fn wall(&self) -> String {
        super::build::wall(self.sim.world().milliseconds)
    }
}

#[async_trait]
impl Interrupt for Client {
    async fn requested(&self) {
        while !self.is_requested() {
            give_way().await;
        }
    }

    fn is_requested(&self) -> bool {
        self.interrupt_at.is_some_and(|at| self.calls_made() >= at)
    }
}
