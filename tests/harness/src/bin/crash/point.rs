//! One point of the matrix: a run is killed there, and somebody else finishes or ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::Value;
use vllm_rollback_harness::helm::{Helm, Major};
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::proxy::ApiProxy;
use vllm_rollback_harness::testbed::{HANG, Testbed};
use vllm_rollback_harness::tool::{Ran, Tool};
use vllm_rollback_harness::wait::until;

use crate::cut::{Cut, Victim, count_records};
use crate::observer::Observer;

const RELEASE: &str = "llama";
const SERVICE: &str = "llama-vllm-deployment";
const MODEL: &str = "llama-2-7b";

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

impl Point {
    /// Runs it on this cluster.
    pub(crate) fn run(self, testbed: &Testbed) -> Outcome {
        let namespace = Namespace::create(testbed, "crash");
        let helm = namespace.helm(self.major);
        let values = ["strategy.type=Recreate", "revisionLabel=1"];
        helm.install(RELEASE, &values);
        helm.upgrade(
            RELEASE,
            &["strategy.type=Recreate", "revisionLabel=2", "faults.CRASH_AT_START=1"],
        );
        let observer = Observer::start(testbed.api(), &namespace.name, RELEASE, SERVICE);
        // Helm may outlive the tool, so the way to its API server stays open to the end.
        let (mut outcome, _proxy) = self.kill(&namespace);
        if outcome.struck {
            let start = Instant::now();
            let problems = match self.way {
                Way::Resume => self.resume(&namespace, &helm),
                Way::Abort => self.abort(&namespace, &helm),
            };
            outcome.seconds = start.elapsed().as_secs_f64();
            outcome.violations.extend(problems);
        } else if self.cut == Cut::Never {
            outcome.violations.extend(restored(&namespace, &helm));
        }
        outcome.violations.extend(observer.violations(&helm.history(RELEASE)));
        let point = format!("{self:?}");
        outcome.violations = outcome
            .violations
            .into_iter()
            .map(|what| format!("{point}: {what}"))
            .collect();
        outcome
    }

    fn kill(self, namespace: &Namespace<'_>) -> (Outcome, ApiProxy) {
        let victim = Victim::new(self.with_helm);
        let proxy = ApiProxy::start(namespace.testbed, victim.hook(self.cut));
        let tool = namespace.tool(self.major).kubeconfig(proxy.kubeconfig());
        let mut running = tool.start(&["rollback", RELEASE, "--yes", "-o", "json"]);
        victim.is(running.pid());
        let ended = Arc::new(AtomicBool::new(false));
        let watching = match self.cut {
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
    fn elsewhere(self, namespace: &Namespace<'_>) -> Tool {
        namespace.tool(self.major).elsewhere()
    }

    fn resume(self, namespace: &Namespace<'_>, helm: &Helm<'_>) -> Vec<String> {
        let tool = self.elsewhere(namespace);
        let ran = self.patiently(|more| tool.run(&[&["resume", RELEASE, "--yes", "-o", "json"], more].concat()));
        let ran = if nothing_unfinished(&ran) {
            // Nothing was begun, or all was done: then a rollback does it, or has nowhere to go.
            if helm.history(RELEASE).len() > 2 {
                let mut problems = dead_lock_is_removed(&tool);
                problems.extend(restored(namespace, helm));
                return problems;
            }
            self.patiently(|more| tool.rollback(RELEASE, more))
        } else {
            ran
        };
        if ran.code != 0 {
            return vec![format!("resume ended with {}: {}", ran.code, ran.stderr)];
        }
        restored(namespace, helm)
    }

    fn abort(self, namespace: &Namespace<'_>, helm: &Helm<'_>) -> Vec<String> {
        let tool = self.elsewhere(namespace);
        let was_touched = is_gate_closed(namespace) || helm.history(RELEASE).len() > 2;
        let ran = tool.run(&["abort", RELEASE, "--yes", "-o", "json"]);
        if nothing_unfinished(&ran) {
            return match was_touched && helm.history(RELEASE).len() == 2 {
                true => vec!["a run that touched the model is not known as unfinished".to_owned()],
                false => Vec::new(),
            };
        }
        let mut problems = Vec::new();
        if ran.code != 0 {
            return vec![format!("abort ended with {}: {}", ran.code, ran.stderr)];
        }
        if was_touched != is_gate_closed(namespace) {
            problems.push(format!(
                "touched: {was_touched}, and the gate is closed: {}",
                is_gate_closed(namespace)
            ));
        }
        // What was found is still known: the next run gives it back.
        let ran = self.patiently(|more| tool.rollback(RELEASE, more));
        if ran.code != 0 {
            problems.push(format!("the run after abort ended with {}: {}", ran.code, ran.stderr));
        }
        problems.extend(restored(namespace, helm));
        problems
    }

    /// Again while Helm's operation may still be alive, as the tool asks for; at once where this harness killed it.
    fn patiently(self, run: impl Fn(&[&str]) -> Ran) -> Ran {
        let accepted: &[&str] = if self.with_helm { &["--accept-pending"] } else { &[] };
        until("Helm's operation to be over", HANG, || {
            let ran = run(accepted);
            let waits = ran.code == 1 && ran.stderr.contains("may still be at work");
            (!waits).then_some(ran)
        })
    }
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

fn is_gate_closed(namespace: &Namespace<'_>) -> bool {
    let path = format!("/api/v1/namespaces/{}/services/{SERVICE}", namespace.name);
    let service = namespace.testbed.api().get(&path).unwrap_or_default();
    service["spec"]["selector"]["rollback.vllm/gate"].is_string()
}

/// The model serves revision 1 again, and nothing of the run is left.
fn restored(namespace: &Namespace<'_>, helm: &Helm<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let answer = namespace.ask(SERVICE, MODEL);
    if !(answer.is_served() && answer.text.contains("revision 1.")) {
        problems.push(format!("a user gets {answer:?}"));
    }
    if is_gate_closed(namespace) {
        problems.push("the gate is left closed".to_owned());
    }
    let history = helm.history(RELEASE);
    match history.last() {
        Some((_, status, _)) if status == "deployed" => {}
        other => problems.push(format!("the newest revision is {other:?}")),
    }
    let api = namespace.testbed.api();
    let name = &namespace.name;
    if api
        .get(&format!(
            "/apis/coordination.k8s.io/v1/namespaces/{name}/leases/vllm-rollback.{RELEASE}"
        ))
        .is_some()
    {
        problems.push("the lock is left".to_owned());
    }
    let memory = api.get(&format!("/api/v1/namespaces/{name}/configmaps/vllm-rollback.{RELEASE}"));
    let held = memory
        .iter()
        .flat_map(|map| map["data"].as_object().cloned().unwrap_or_default())
        .any(|(_, text)| {
            let text: Value = text
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default();
            !text["held"].is_null()
        });
    if held {
        problems.push("the memory still holds the model".to_owned());
    }
    problems
}
