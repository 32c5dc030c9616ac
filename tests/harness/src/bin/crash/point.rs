//! One point of the matrix: a run is killed there, and somebody else finishes or ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::Value;
use vllm_rollback_harness::helm::{Helm, Major};
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::proxy::ApiProxy;
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::tool::{Ran, Tool};
use vllm_rollback_harness::wait::until;

use crate::cut::{Cut, Victim, count_records};
use crate::door::{Door, Driver, Site};
use crate::observer::Observer;

const RELEASE: &str = "llama";
pub(crate) const SERVICE: &str = "llama-vllm-deployment";

/// How the run that was cut off is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// `resume`.
    Resume,
    /// `abort`.
    Abort,
}

/// A point of the matrix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) driver: Driver,
    pub(crate) major: Major,
    pub(crate) cut: Cut,
    pub(crate) with_helm: bool,
    pub(crate) way: Way,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The kill happened; a run may end before.
    pub(crate) struck: bool,
    /// Everything that was not as promised.
    pub(crate) violations: Vec<String>,
    /// Wall time of the command that dealt with it.
    pub(crate) seconds: f64,
    /// Changes and journal records of the run.
    pub(crate) changes: usize,
    pub(crate) records: usize,
}

/// A model whose run is cut off.
struct Scene<'a> {
    point: Point,
    namespace: &'a Namespace<'a>,
    helm: Helm<'a>,
    door: Door,
}

impl Point {
    /// Runs it on this site.
    pub(crate) fn run(self, site: &Site) -> Outcome {
        let namespace = Namespace::create(&site.testbed, "crash");
        let helm = namespace.helm(self.major);
        let served = format!("model.servedName={}", namespace.name);
        let values = |revision| ["strategy.type=Recreate", served.as_str(), revision];
        helm.install(RELEASE, &values("revisionLabel=1"));
        let bad = [&values("revisionLabel=2")[..], &["faults.CRASH_AT_START=1"]].concat();
        helm.upgrade(RELEASE, &bad);
        let scene = Scene {
            point: self,
            namespace: &namespace,
            helm,
            door: Door::open(site, &namespace, self.driver),
        };
        let observer = Observer::start(site.testbed.api(), &namespace.name, RELEASE, scene.door.clone());
        // Helm may outlive the tool, so the way to its API server stays open to the end.
        let (mut outcome, _proxy) = scene.kill();
        if outcome.struck {
            let start = Instant::now();
            let problems = match self.way {
                Way::Resume => scene.resume(),
                Way::Abort => scene.abort(),
            };
            outcome.seconds = start.elapsed().as_secs_f64();
            outcome.violations.extend(problems);
        } else if self.cut == Cut::Never {
            outcome.violations.extend(scene.restored());
        }
        outcome
            .violations
            .extend(observer.violations(&scene.helm.history(RELEASE)));
        let violations = outcome.violations.drain(..);
        outcome.violations = violations.map(|what| format!("{self:?}: {what}")).collect();
        outcome
    }
}

impl Scene<'_> {
    /// Runs a verb with `--yes -o json` and what it must be told of the door.
    fn run(&self, tool: &Tool, verb: &str, more: &[&str]) -> Ran {
        let door = self.door.arguments();
        let door = door.iter().map(String::as_str);
        let words = [verb, RELEASE, "--yes", "-o", "json"].into_iter().chain(door);
        tool.run(&words.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    fn kill(&self) -> (Outcome, ApiProxy) {
        let Point {
            major, cut, with_helm, ..
        } = self.point;
        let victim = Victim::new(with_helm);
        let proxy = ApiProxy::start(self.namespace.testbed, victim.hook(cut));
        let tool = self
            .door
            .known_to(self.namespace.tool(major))
            .kubeconfig(proxy.kubeconfig());
        let door = self.door.arguments();
        let words = ["rollback", RELEASE, "--yes", "-o", "json"].into_iter();
        let mut running = tool.start(&words.chain(door.iter().map(String::as_str)).collect::<Vec<_>>());
        victim.is(running.pid());
        let ended = Arc::new(AtomicBool::new(false));
        let watching = match cut {
            Cut::Record(records) => Some(victim.watch(tool.state_home().to_owned(), records, Arc::clone(&ended))),
            _ => None,
        };
        let code = running.wait(HANG);
        ended.store(true, Ordering::SeqCst);
        if let Some(watching) = watching {
            let _ = watching.join();
        }
        let struck = victim.struck.load(Ordering::SeqCst) && code == Some(-1);
        let mut violations = Vec::new();
        if !struck && code != Some(0) {
            violations.push(format!("the run ended with {code:?}"));
        }
        let outcome = Outcome {
            struck,
            violations,
            seconds: 0.0,
            changes: victim.changes.load(Ordering::SeqCst),
            records: count_records(tool.state_home()),
        };
        (outcome, proxy)
    }

    /// Another machine: another state directory, and straight to the cluster.
    fn elsewhere(&self) -> Tool {
        self.door.known_to(self.namespace.tool(self.point.major).elsewhere())
    }

    fn resume(&self) -> Vec<String> {
        let tool = self.elsewhere();
        let ran = self.patiently(&tool, "resume");
        let ran = if nothing_unfinished(&ran) {
            // Nothing was begun, or all was done: then a rollback does it, or has nowhere to go.
            if self.helm.history(RELEASE).len() > 2 {
                let mut problems = dead_lock_is_removed(&tool);
                problems.extend(self.restored());
                return problems;
            }
            self.patiently(&tool, "rollback")
        } else {
            ran
        };
        if ran.code != 0 {
            return vec![format!("resume ended with {}: {}", ran.code, ran.stderr)];
        }
        self.restored()
    }

    fn abort(&self) -> Vec<String> {
        let tool = self.elsewhere();
        let is_closed = || self.door.is_closed() == Some(true);
        let was_touched = is_closed() || self.helm.history(RELEASE).len() > 2;
        let ran = self.run(&tool, "abort", &[]);
        if nothing_unfinished(&ran) {
            return match was_touched && self.helm.history(RELEASE).len() == 2 {
                true => vec!["a run that touched the model is not known as unfinished".to_owned()],
                false => Vec::new(),
            };
        }
        let mut problems = Vec::new();
        if ran.code != 0 {
            return vec![format!("abort ended with {}: {}", ran.code, ran.stderr)];
        }
        if was_touched != is_closed() {
            problems.push(format!(
                "touched: {was_touched}, and the door is closed: {}",
                is_closed()
            ));
        }
        // What was found is still known: the next run gives it back.
        let ran = self.patiently(&tool, "rollback");
        if ran.code != 0 {
            problems.push(format!("the run after abort ended with {}: {}", ran.code, ran.stderr));
        }
        problems.extend(self.restored());
        problems
    }

    /// Again while Helm's operation may still be alive, or ended just between plan and lock, as the tool asks for; at once
    /// where this harness killed it.
    fn patiently(&self, tool: &Tool, verb: &str) -> Ran {
        let accepted: &[&str] = if self.point.with_helm {
            &["--accept-pending"]
        } else {
            &[]
        };
        until("Helm's operation to be over", HANG, || {
            let ran = self.run(tool, verb, accepted);
            let waits = ran.code == 15 || (ran.code == 1 && ran.stderr.contains("may still be at work"));
            (!waits).then_some(ran)
        })
    }

    /// The model serves revision 1 again, and nothing of the run is left.
    fn restored(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let answer = self.door.answer();
        if !answer.as_ref().is_some_and(|text| text.contains("revision 1.")) {
            problems.push(format!("a user gets {answer:?}"));
        }
        if self.door.is_closed() != Some(false) {
            problems.push("the door is left closed".to_owned());
        }
        let history = self.helm.history(RELEASE);
        match history.last() {
            Some((_, status, _)) if status == "deployed" => {}
            other => problems.push(format!("the newest revision is {other:?}")),
        }
        let api = self.namespace.testbed.api();
        let name = &self.namespace.name;
        if api
            .get(&format!(
                "/apis/coordination.k8s.io/v1/namespaces/{name}/leases/vllm-rollback.{RELEASE}"
            ))
            .is_some()
        {
            problems.push("the lock is left".to_owned());
        }
        let memory = api.get(&format!("/api/v1/namespaces/{name}/configmaps/vllm-rollback.{RELEASE}"));
        if memory.is_some_and(|memory| holds(&memory)) {
            problems.push("the memory still holds the model".to_owned());
        }
        problems
    }
}

/// The memory in the cluster names a model to give back.
fn holds(memory: &Value) -> bool {
    let data = memory["data"].as_object().cloned().unwrap_or_default();
    let mut texts = data.values().filter_map(Value::as_str);
    texts.any(|text| serde_json::from_str::<Value>(text).is_ok_and(|text| !text["held"].is_null()))
}

/// All was done, so the run that died owns nothing but its lock, and that needs no force.
fn dead_lock_is_removed(tool: &Tool) -> Vec<String> {
    let ran = until("the dead run's lock to run out", HANG, || {
        let ran = tool.run(&["unlock", RELEASE]);
        (ran.code != 12).then_some(ran)
    });
    match ran.code {
        0 => Vec::new(),
        code => vec![format!("unlock ended with {code}: {}", ran.stderr)],
    }
}

fn nothing_unfinished(ran: &Ran) -> bool {
    ran.code == 1 && (ran.stderr.contains("is unfinished") || ran.stdout.contains("is unfinished"))
}
