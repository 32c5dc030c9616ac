//! Faults between the tool and the API server. A write is never sent twice, what can be read again is, and whatever the
//! run ends with, the state it names is true and the next command leads out.

mod connections;
mod credentials;
mod pods;
mod reads;
mod writes;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use vllm_rollback_engine::report::{ExitCode, RunReport, StateName};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::proxy::{Act, ApiProxy, Call, Caller, Hook, Moment, StatusCode};
use vllm_rollback_harness::tool::Ran;

use crate::fixture::{Model, RELEASE};

/// Nothing was changed, and the command says so.
const UNCHANGED: (StateName, ExitCode) = (StateName::Unchanged, ExitCode::Refused);
/// The model is out of traffic, and the rollback is not done.
const HELD: (StateName, ExitCode) = (StateName::Held, ExitCode::HeldRollbackFailed);
/// What is true could not be seen.
const UNKNOWN: (StateName, ExitCode) = (StateName::Unknown, ExitCode::Unknown);

/// Acts at the first `times` calls of the tool for which `is_it` holds.
fn at(times: usize, act: Act, is_it: impl Fn(&Call, Moment) -> bool + Send + Sync + 'static) -> Hook {
    let struck = AtomicUsize::new(0);
    Arc::new(move |call, moment| {
        let strikes = call.by == Caller::Tool && is_it(call, moment) && struck.fetch_add(1, Ordering::SeqCst) < times;
        if strikes { act } else { Act::Pass }
    })
}

fn is_before(call: &Call, moment: Moment, method: &str, part: &str) -> bool {
    moment == Moment::Before && call.method == method && call.path.contains(part)
}

fn is_after(call: &Call, moment: Moment, method: &str, part: &str) -> bool {
    moment == Moment::After && call.method == method && call.path.contains(part)
}

/// A plain read: no watch, no stream.
fn is_read(call: &Call, moment: Moment) -> bool {
    is_before(call, moment, "GET", "") && !call.path.contains("watch=") && !call.path.contains("/portforward")
}

/// The writes of the tool in order, and whether the answer to each is a no.
#[derive(Debug, Clone, Default)]
struct Writes(Arc<Mutex<Vec<(Call, bool)>>>);

impl Writes {
    /// Sees what the hook sees.
    fn seen_by(&self, hook: Hook) -> Hook {
        let seen = Arc::clone(&self.0);
        Arc::new(move |call, moment| {
            let act = hook(call, moment);
            if call.by == Caller::Tool && call.change > 0 && moment == Moment::Before {
                let is_no = matches!(act, Act::Answer(StatusCode::CONFLICT));
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push((call.clone(), is_no));
            }
            act
        })
    }

    /// A write that is sent again without a look in between is the same to the last byte: everything that changes an
    /// object carries its version or the time. What was answered by a no may be done once more, after a look.
    #[track_caller]
    fn assert_none_was_replayed(&self) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!seen.is_empty(), "the tool was not seen to write");
        for (index, (call, _)) in seen.iter().enumerate() {
            let before = seen[..index].iter().rev().find(|(before, _)| before.path == call.path);
            let is_same = before
                .is_some_and(|(before, is_no)| !is_no && before.method == call.method && before.body == call.body);
            assert!(!is_same, "sent twice: {} {}", call.method, call.path);
        }
    }
}

/// Rolls a model back through the fault; no write is replayed on the way.
#[track_caller]
fn through(model: &Model, hook: Hook, args: &[&str]) -> Ran {
    let writes = Writes::default();
    let proxy = ApiProxy::start(model.namespace.testbed, writes.seen_by(hook));
    let ran = model.tool().kubeconfig(proxy.kubeconfig()).rollback(RELEASE, args);
    writes.assert_none_was_replayed();
    ran
}

/// The run goes through in spite of the fault.
#[track_caller]
fn assert_withstood(hint: &str, hook: Hook) -> Ran {
    assert_withstood_with(hint, hook, &[])
}

#[track_caller]
fn assert_withstood_with(hint: &str, hook: Hook, args: &[&str]) -> Ran {
    let model = Model::crashed(hint, Major::Four);
    let ran = through(&model, hook, args).expect_code(0);
    assert_eq!(ran.report().outcome, StateName::Done);
    model.assert_serves(1);
    ran
}

/// The run ends so, and the command that it names first brings the model back.
#[track_caller]
fn assert_ends(hint: &str, hook: Hook, ends: &[(StateName, ExitCode)]) -> RunReport {
    assert_ends_with(hint, hook, &[], ends)
}

#[track_caller]
fn assert_ends_with(hint: &str, hook: Hook, args: &[&str], ends: &[(StateName, ExitCode)]) -> RunReport {
    let model = Model::crashed(hint, Major::Four);
    let report = through(&model, hook, args).report();
    assert_stated(&model, &report, ends);
    report
}

/// What the report says is true, and what it says next leads out.
#[track_caller]
fn assert_stated(model: &Model, report: &RunReport, ends: &[(StateName, ExitCode)]) {
    let end = (report.outcome, report.exit_code);
    assert!(ends.contains(&end), "{end:?}: {:?}", report.failure);
    match report.outcome {
        StateName::Held => model.assert_out_of_traffic(),
        StateName::Unchanged => assert_eq!(model.statuses().len(), 2),
        _ => {}
    }
    assert!(!report.next.is_empty());
    let names_resume = report.next.iter().any(|step| step.contains("vllm-rollback resume"));
    let verb = if names_resume { "resume" } else { "rollback" };
    // The lock of a run that could not give it back runs out by itself.
    let again = vllm_rollback_harness::wait::until("the lock", Duration::from_secs(120), || {
        let ran = model.tool().run(&[verb, RELEASE, "--yes", "-o", "json"]);
        (ran.code != ExitCode::Locked.number()).then_some(ran)
    });
    assert_eq!(again.expect_code(0).report().outcome, StateName::Done);
    model.assert_serves(1);
}
