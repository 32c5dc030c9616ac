//! A run that was cut off: refused by the next, resumed, or aborted.

use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::journal::RunState;
use vllm_rollback_engine::plan;
use vllm_rollback_engine::release::{ReleaseStatus, Revision};
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_engine::request::Request;
use vllm_rollback_engine::resume::{Decision, unfinished};
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_engine::unlock;

use crate::sim::build::{crashed, record};
use crate::sim::{Client, Fault, HelmEnd, Sim, Trouble, finish};

/// A world in which `run-1` died right before or after the last call of this name.
pub(crate) fn cut_off(call: &str, death: Fault) -> Sim {
    let count = Client::new(&crashed(), "count");
    count.report();
    let at = count.last_call(call);
    let sim = crashed();
    let dead = Client::new(&sim, "run-1").with(Trouble::Call(at), death);
    assert!(dead.run().is_none(), "it dies at {call}");
    sim
}

/// Returns what a resumed run would make of each step.
pub(crate) fn decisions(sim: &Sim) -> Vec<(StateName, Decision)> {
    let client = Client::new(sim, "run-2");
    let request = Request {
        resumes: true,
        ..client.request.clone()
    };
    let plan = finish(&client, plan(&client.world(), &request)).unwrap().unwrap();
    let resumed = plan.resumes.expect("it resumes a run");
    assert_eq!(resumed.run_id, "run-1");
    assert!(resumed.steps.iter().all(|step| !step.why.is_empty()));
    resumed
        .steps
        .into_iter()
        .map(|step| (step.state, step.decision))
        .collect()
}

#[test]
fn a_new_run_is_refused_while_another_is_unfinished_and_is_told_which() {
    let sim = cut_off("stop", Fault::DiesAfter);
    let failure = Client::new(&sim, "run-2").no_plan();
    assert_eq!(failure.kind, FailureKind::Unfinished);
    let text = failure.to_string();
    assert!(text.contains("run-1") && text.contains("ann-run-1"), "{text}");
    assert!(failure.next[0].contains("resume llama -n prod"), "{:?}", failure.next);
    assert!(failure.next[1].contains("abort llama -n prod"), "{:?}", failure.next);
    assert!(sim.world().orders.is_empty());
}

#[test]
fn a_run_that_is_at_work_is_not_called_unfinished() {
    let sim = cut_off("stop", Fault::DiesAfter);
    sim.world().dead.clear();
    assert_eq!(Client::new(&sim, "run-2").no_plan().kind, FailureKind::Locked);
}

#[test]
fn there_is_nothing_to_resume_or_abort_where_no_run_was_cut_off() {
    let sim = crashed();
    let failure = Client::new(&sim, "run-1").resume().unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    let report = Client::new(&sim, "run-1").abort().unwrap();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    assert_eq!(sim.world().memory, RunState::default());
}

#[test]
fn what_was_done_is_not_done_twice_and_what_was_not_is() {
    use Decision::{Compensate, Done, Redo};
    let cases = [
        ("stop", Fault::DiesBefore, Redo, Redo),
        ("stop", Fault::DiesAfter, Done, Redo),
        ("rollback", Fault::DiesBefore, Done, Redo),
        ("rollback", Fault::DiesAfter, Done, Done),
        ("resume_to", Fault::DiesBefore, Done, Done),
        ("resume_to", Fault::DiesAfter, Compensate, Done),
    ];
    for (call, death, traffic, helm) in cases {
        let sim = cut_off(call, death);
        let seen = decisions(&sim);
        assert_eq!(
            &seen[..2],
            [(StateName::Fenced, traffic), (StateName::RolledBack, helm)],
            "{death:?} at {call}"
        );
        let report = Client::new(&sim, "run-2").resume().unwrap().unwrap();
        assert_eq!(report.outcome, StateName::Done, "{death:?} at {call}");
        let world = sim.world();
        assert_eq!((world.records.len(), world.traffic()), (3, TrafficStatus::Enabled));
        assert_eq!(unfinished(&world.memory), None);
    }
}

#[test]
fn a_rollback_that_helm_left_failed_is_done_again() {
    let sim = crashed();
    sim.world().helm_ends.push_back(HelmEnd::FailedWithoutMark);
    let dead = Client::new(&sim, "run-1").with(Trouble::Every("rollback"), Fault::DiesAfter);
    assert!(dead.run().is_none());
    assert_eq!(decisions(&sim)[1], (StateName::RolledBack, Decision::Redo));
    let report = Client::new(&sim, "run-2").resume().unwrap().unwrap();
    assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
    assert_eq!(report.to_revision, Some(Revision(1)));
}

#[test]
fn somebody_who_went_on_with_the_release_is_asked_about() {
    let sim = cut_off("rollback", Fault::DiesBefore);
    sim.world().records.push(record(3, ReleaseStatus::Deployed, "newer"));
    let failure = Client::new(&sim, "run-2").resume().unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict);
    assert!(failure.to_string().contains("newest revision is now 3"), "{failure}");
    assert_eq!(sim.world().traffic(), TrafficStatus::Disabled, "nothing was changed");
}

#[test]
fn a_resumed_run_may_be_cut_off_and_resumed_again() {
    let sim = cut_off("rollback", Fault::DiesAfter);
    let count = Client::new(&cut_off("rollback", Fault::DiesAfter), "count");
    count.resume().unwrap().unwrap();
    for at in 0..count.calls_made() {
        let sim = cut_off("rollback", Fault::DiesAfter);
        let second = Client::new(&sim, "run-2").with(Trouble::Call(at), Fault::DiesAfter);
        if second.resume().is_some() {
            continue;
        }
        if let Err(failure) = Client::new(&sim, "run-3").run_or_resume().unwrap() {
            assert_eq!(failure.kind, FailureKind::Refused, "call {at}: all was done");
        }
        let world = sim.world();
        assert_eq!(
            (world.records.len(), world.traffic()),
            (3, TrafficStatus::Enabled),
            "call {at}"
        );
        assert_eq!(world.violations, [] as [String; 0], "call {at}");
    }
    assert!(sim.world().memory.held.is_some());
}

#[test]
fn an_aborted_run_ends_as_it_was_found_or_out_of_traffic_and_the_next_run_starts() {
    let count = Client::new(&crashed(), "count");
    count.report();
    for original in [TrafficStatus::Enabled, TrafficStatus::Disabled] {
        for at in 0..count.calls_made() {
            for death in [Fault::DiesBefore, Fault::DiesAfter] {
                let place = format!("{original:?}, {death:?} at call {at}");
                let sim = crashed();
                sim.world().traffic = Some(original.clone());
                let dead = Client::new(&sim, "run-1").with(Trouble::Call(at), death);
                if dead.run().is_some() || unfinished(&sim.world().memory).is_none() {
                    continue;
                }
                let was_touched = sim.world().traffic() != original || sim.world().records.len() > 2;
                let openings = sim.world().openings;
                let report = Client::new(&sim, "run-2").abort().unwrap();
                assert_eq!(report.exit_code, ExitCode::Success, "{place}: {:?}", report.failure);
                {
                    let world = sim.world();
                    assert_eq!(world.violations, [] as [String; 0], "{place}");
                    assert_eq!(world.openings, openings, "{place}: abort lets nothing in");
                    assert_eq!(unfinished(&world.memory), None, "{place}");
                    assert!(world.lock.is_none(), "{place}");
                    if original == TrafficStatus::Enabled && was_touched {
                        assert_eq!(report.outcome, StateName::Held, "{place}");
                        assert_eq!(world.traffic(), TrafficStatus::Disabled, "{place}");
                        assert_eq!(world.memory.held.as_ref().unwrap().prior.status, original, "{place}");
                    } else {
                        assert_eq!(report.outcome, StateName::Done, "{place}");
                        assert_eq!(world.traffic(), original, "{place}");
                        assert_eq!(world.memory.held, None, "{place}");
                    }
                }
                match Client::new(&sim, "run-3").run().unwrap() {
                    Ok(report) => assert_eq!(report.outcome, StateName::Done, "{place}: {:?}", report.failure),
                    Err(failure) => assert_eq!(failure.kind, FailureKind::Refused, "{place}: {failure}"),
                }
                assert_eq!(sim.world().records.len(), 3, "{place}: Helm ran once");
            }
        }
    }
}

#[test]
fn an_abort_that_cannot_prove_its_end_says_unknown() {
    let sim = cut_off("resume_to", Fault::DiesAfter);
    let report = Client::new(&sim, "run-2")
        .with(Trouble::Every("stop"), Fault::Fails(FailureKind::Unreachable))
        .abort()
        .unwrap();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unknown, ExitCode::Unknown)
    );
    assert!(unfinished(&sim.world().memory).is_some(), "it can be aborted once more");
}

#[test]
fn a_living_runs_lock_is_removed_only_by_force() {
    let sim = crashed();
    sim.world().lock = Some(("run-0".into(), "first come".into()));
    let client = Client::new(&sim, "run-1");
    let report = finish(&client, unlock(&client.world(), &client.request, false)).unwrap();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Locked)
    );
    assert!(
        report.next.iter().any(|step| step.contains("--force")),
        "{:?}",
        report.next
    );
    assert!(sim.world().lock.is_some());
    let report = finish(&client, unlock(&client.world(), &client.request, true)).unwrap();
    assert_eq!((report.outcome, report.exit_code), (StateName::Done, ExitCode::Success));
    assert!(sim.world().lock.is_none());
}

#[test]
fn a_memory_of_an_older_version_still_resumes() {
    let text = include_str!("fixtures/memory-0.1.0.json");
    let memory: RunState = serde_json::from_str(text).unwrap();
    let sim = cut_off("rollback", Fault::DiesAfter);
    assert_eq!(sim.world().memory.runs[0].from, memory.runs[0].from);
    sim.world().memory = memory;
    let report = Client::new(&sim, "run-2").resume().unwrap().unwrap();
    assert_eq!(report.outcome, StateName::Done);
}
