//! A world for tests: it answers what it was told, its clock moves only by [`World::sleep`], and it remembers requests.
//!
//! ```
//! use vllm_rollback_plugin::prelude::*;
//! use vllm_rollback_plugin::testing::FakeWorld;
//!
//! let world = FakeWorld::new().answers("GET /health", [FakeWorld::answer(200, "")]);
//! assert_eq!(world.send(Request::get(Target::Pod, "/health")).map(|answer| answer.status), Ok(200));
//! ```

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::{
    CallError, Context, Event, Level, LogOf, Phase, Pod, PodStatus, RegistryState, Request, Response, Sample, World,
};

/// Answers by call, in order.
type Script<T> = RefCell<BTreeMap<String, VecDeque<T>>>;

/// See the page of this module.
#[derive(Debug, Default)]
pub struct FakeWorld {
    answers: Script<Result<Response, CallError>>,
    scrapes: Script<Result<Vec<Sample>, CallError>>,
    pods: RefCell<VecDeque<Result<Vec<PodStatus>, CallError>>>,
    logs: BTreeMap<String, Result<String, CallError>>,
    registry: Option<Result<RegistryState, CallError>>,
    clock: Cell<Duration>,
    requests: RefCell<Vec<Request>>,
}

impl FakeWorld {
    /// A world in which nothing answers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers to `METHOD /path`, in order; the last one repeats.
    #[must_use]
    pub fn answers(self, call: &str, answers: impl IntoIterator<Item = Result<Response, CallError>>) -> Self {
        self.answers
            .borrow_mut()
            .insert(call.to_owned(), answers.into_iter().collect());
        self
    }

    /// Pages of metrics of the pod named (empty: the pod under check), in order; the last one repeats.
    #[must_use]
    pub fn scrapes(self, pod: &str, pages: impl IntoIterator<Item = Result<Vec<Sample>, CallError>>) -> Self {
        self.scrapes
            .borrow_mut()
            .insert(pod.to_owned(), pages.into_iter().collect());
        self
    }

    /// Pictures of the pods, in order; the last one repeats.
    #[must_use]
    pub fn pods(self, pictures: impl IntoIterator<Item = Result<Vec<PodStatus>, String>>) -> Self {
        let pictures = pictures.into_iter().map(|picture| picture.map_err(CallError::Failed));
        self.pods.borrow_mut().extend(pictures);
        self
    }

    /// The current log of a pod, whatever the container.
    #[must_use]
    pub fn log_of(mut self, pod: &str, log: Result<&str, &str>) -> Self {
        self.logs.insert(
            pod.to_owned(),
            log.map(str::to_owned).map_err(|why| CallError::Failed(why.to_owned())),
        );
        self
    }

    /// The state in the registry.
    #[must_use]
    pub fn registry(self, state: Result<RegistryState, String>) -> Self {
        Self {
            registry: Some(state.map_err(CallError::Failed)),
            ..self
        }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// An answer that took 10 ms.
    pub fn answer(status: u16, body: &str) -> Result<Response, CallError> {
        Ok(Response {
            status,
            headers: Vec::new(),
            body: body.into(),
            first_byte_ms: 5.0,
            total_ms: 10.0,
            extra: Vec::new(),
        })
    }

    /// A metrics page of one unlabelled counter.
    pub fn page(counter: &str, value: f64) -> Result<Vec<Sample>, CallError> {
        Ok(vec![Sample {
            name: counter.to_owned(),
            labels: Vec::new(),
            value,
        }])
    }

    /// A context for revision 3 of release `demo` with one serving pod, `demo-0`, which is also the one under check.
    pub fn context(phase: Phase) -> Context {
        let pod = Pod {
            name: "demo-0".to_owned(),
            uid: "u0".to_owned(),
            revision_hash: "aaa".to_owned(),
            ready: true,
            restarts: 0,
            port: 8000,
            images: Vec::new(),
            extra: Vec::new(),
        };
        Context {
            run_id: "run".to_owned(),
            release: "demo".to_owned(),
            namespace: "default".to_owned(),
            revision: 3,
            phase: phase.as_str().to_owned(),
            model: None,
            environment: None,
            pod: Some(pod.clone()),
            pods: vec![pod],
            has_router: true,
            parameters: "{}".to_owned(),
            extra: Vec::new(),
        }
    }
}

fn next<T: Clone>(queue: Option<&mut VecDeque<T>>) -> Option<T> {
    let queue = queue?;
    if queue.len() > 1 {
        queue.pop_front()
    } else {
        queue.front().cloned()
    }
}

impl World for FakeWorld {
    fn send(&self, request: Request) -> Result<Response, CallError> {
        let call = format!("{} {}", request.method, request.path);
        self.requests.borrow_mut().push(request);
        let nothing = || Err(CallError::Unreachable(format!("nothing answers {call}")));
        next(self.answers.borrow_mut().get_mut(&call)).unwrap_or_else(nothing)
    }

    fn scrape(&self, pod: &str) -> Result<Vec<Sample>, CallError> {
        let nothing = || Err(CallError::Denied("metrics are not granted".to_owned()));
        next(self.scrapes.borrow_mut().get_mut(pod)).unwrap_or_else(nothing)
    }

    fn now(&self) -> Duration {
        self.clock.get()
    }

    fn sleep(&self, pause: Duration) {
        self.clock.set(self.clock.get() + pause);
    }

    fn pods(&self) -> Result<Vec<PodStatus>, CallError> {
        next(Some(&mut *self.pods.borrow_mut()))
            .unwrap_or_else(|| Err(CallError::Failed("no picture of the pods".to_owned())))
    }

    fn events(&self) -> Result<Vec<Event>, CallError> {
        Ok(Vec::new())
    }

    fn log_tail(&self, pod: &str, _container: &str, _which: LogOf, _lines: u32) -> Result<String, CallError> {
        self.logs.get(pod).cloned().unwrap_or_else(|| Ok(String::new()))
    }

    fn registry(&self) -> Result<RegistryState, CallError> {
        self.registry
            .clone()
            .unwrap_or_else(|| Err(CallError::Failed("no registry".to_owned())))
    }

    fn log(&self, _level: Level, _message: &str) {}
}
