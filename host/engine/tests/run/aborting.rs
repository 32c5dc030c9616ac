//! What `abort` says and keeps of the run that it ends.

use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::release::{ReleaseStatus, Revision};
use vllm_rollback_engine::report::{ExitCode, RunReport, StateName};
use vllm_rollback_engine::traffic::TrafficStatus;

use crate::reporting::evidence;
use crate::sim::build::{crashed, crashed_with};
use crate::sim::{Client, Fault, Health, HelmEnd, Sim, Trouble};
use crate::unfinished::cut_off;

fn abort(sim: &Sim) -> RunReport {
    Client::new(sim, "run-2").abort().unwrap()
}

#[track_caller]
fn assert_noted(report: &RunReport, text: &str) {
    assert!(
        report.notes.iter().any(|note| note == text),
        "{text:?} is not in {:#?}",
        report.notes
    );
}

#[test]
fn it_says_what_that_run_made_of_the_release() {
    let report = abort(&cut_off("stop", Fault::DiesAfter));
    assert_noted(
        &report,
        "Helm made no revision in that run: the newest is still 2 (deployed)",
    );
    assert_eq!(
        (report.from_revision, report.to_revision),
        (Some(Revision(2)), Some(Revision(1)))
    );
    let report = abort(&cut_off("rollback", Fault::DiesAfter));
    assert_noted(&report, "the newest revision is 3 (deployed); it is left as it is");
    assert!(
        report.notes.iter().all(|note| !note.contains("--accept-pending")),
        "{:?}",
        report.notes
    );
    let locked = evidence(&report, StateName::Locked);
    assert!(
        locked.contains(&"run run-1 of ann-run-1 did not end; it was last seen rolled-back".to_owned())
            || locked.contains(&"run run-1 of ann-run-1 did not end; it was last seen fenced".to_owned()),
        "{locked:?}"
    );
}

#[test]
fn a_helm_that_may_still_be_alive_is_warned_of() {
    let sim = crashed();
    sim.world().helm_ends.push_back(HelmEnd::Pending);
    let dead = Client::new(&sim, "run-1").with(Trouble::Every("rollback"), Fault::DiesAfter);
    assert!(dead.run().is_none());
    let report = abort(&sim);
    assert_noted(
        &report,
        "the newest revision is 3 (pending-rollback); it is left as it is",
    );
    assert!(
        report.notes.iter().any(|note| note.contains("may still be alive")),
        "{:?}",
        report.notes
    );
    assert_eq!(sim.world().newest().status, ReleaseStatus::PendingRollback);
}

#[test]
fn a_model_that_is_kept_out_is_held_with_the_name_and_reason_of_who_aborted() {
    let sim = cut_off("resume_to", Fault::DiesAfter);
    let report = abort(&sim);
    assert_eq!((report.outcome, report.exit_code), (StateName::Held, ExitCode::Success));
    assert_eq!(report.traffic_after.unwrap().status, TrafficStatus::Disabled);
    let world = sim.world();
    let held = world.memory.held.as_ref().unwrap();
    assert_eq!(held.reason, "run run-1 was aborted by ann-run-2: reason of run-2");
    let run = &world.memory.runs[0];
    assert_eq!(
        (run.run_id.as_str(), run.state, run.exit_code),
        ("run-1", StateName::Held, Some(11))
    );
    assert_eq!(run.summary, "aborted by ann-run-2");
    for state in [StateName::Fenced, StateName::Held] {
        let seen = report.states.iter().find(|one| one.name == state).unwrap();
        assert_eq!(seen.evidence, ["no endpoint"]);
    }
}

#[test]
fn a_run_that_changed_nothing_is_closed_as_unchanged_and_others_stay_as_they_are() {
    let sim = cut_off("stop", Fault::DiesBefore);
    let mut older = sim.world().memory.runs[0].clone();
    older.run_id = "run-0".into();
    older.exit_code = Some(10);
    sim.world().memory.runs.insert(0, older.clone());
    let report = abort(&sim);
    assert_eq!((report.outcome, report.exit_code), (StateName::Done, ExitCode::Success));
    let world = sim.world();
    assert_eq!((&world.memory.held, world.memory.runs.len()), (&None, 2));
    assert_eq!(world.memory.runs[0], older);
    assert_eq!(
        (world.memory.runs[1].state, world.memory.runs[1].exit_code),
        (StateName::Unchanged, Some(1))
    );
}

#[test]
fn where_no_run_was_cut_off_it_says_what_holds_the_model_if_anything_does() {
    let sim = crashed();
    let failure = abort(&sim).failure.unwrap();
    assert_eq!(failure.to_string(), "no run on prod/llama is unfinished");
    let sim = crashed_with(Health::CRASHING);
    Client::new(&sim, "run-1").report();
    let report = abort(&sim);
    let failure = report.failure.unwrap().to_string();
    assert!(
        failure.contains("run run-1 ended, and holds the model: revision 3 will not get ready"),
        "{failure}"
    );
    assert_eq!(
        report.next,
        [
            "kubectl vllm-rollback llama -n prod",
            "kubectl vllm-rollback registry enable llama -n prod"
        ]
    );
    assert!(sim.world().memory.held.is_some(), "the hold stays");
}

#[test]
fn an_abort_that_could_not_begin_changed_nothing_and_can_be_repeated() {
    let sim = cut_off("resume_to", Fault::DiesAfter);
    let report = Client::new(&sim, "run-2")
        .with(Trouble::Every("read"), Fault::Fails(FailureKind::Unreachable))
        .abort()
        .unwrap();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    assert_eq!(sim.world().lock, None);
    assert_eq!(Client::new(&sim, "run-3").abort().unwrap().outcome, StateName::Held);
}

#[test]
fn an_abort_is_interrupted_before_it_does_anything() {
    let sim = cut_off("resume_to", Fault::DiesAfter);
    let mut client = Client::new(&sim, "run-2");
    client.interrupt_at = Some(0);
    let report = client.abort().unwrap();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    assert!(client.calls.lock().unwrap().is_empty());
}
