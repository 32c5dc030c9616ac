//! What is written down: the journal, step by step, and the memory that later runs read.

use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::journal::{RecordKind, Rejected, RunSummary};
use vllm_rollback_engine::release::Revision;
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_engine::request::{Override, RollbackTarget};
use vllm_rollback_engine::traffic::TrafficStatus;

use crate::sim::build::{crashed, crashed_with};
use crate::sim::{Client, Fault, Health, Trouble};

#[test]
fn the_journal_counts_from_one_without_a_gap_and_ends_with_the_exit_code() {
    let sim = crashed();
    Client::new(&sim, "run-1").report();
    let world = sim.world();
    let numbers: Vec<_> = world.journal.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(numbers.len() > 8);
    let end = world.journal.last().unwrap();
    assert_eq!(end.state, StateName::Done);
    assert!(
        matches!(&end.edge, RecordKind::Finished { exit_code: 0, summary } if summary.starts_with("revision 1 serves again"))
    );
}

#[test]
fn every_state_that_was_reached_is_in_the_journal_with_its_evidence() {
    let sim = crashed();
    let report = Client::new(&sim, "run-1").report();
    let world = sim.world();
    for state in &report.states {
        let observed = world.journal.iter().any(|entry| {
            entry.state == state.name
                && matches!(&entry.edge, RecordKind::Observed { evidence } if *evidence == state.evidence)
        });
        // The ends of a run have a record of their own; the plan comes before the journal.
        assert_eq!(
            observed,
            !matches!(state.name, StateName::Planned | StateName::Done),
            "{}",
            state.name
        );
    }
}

#[test]
fn an_observation_that_cannot_be_written_down_is_still_true_and_is_told() {
    let sim = crashed();
    let count = Client::new(&crashed(), "count");
    count.report();
    let last = count.last_call("append");
    let client = Client::new(&sim, "run-1").with(Trouble::Call(last), Fault::Fails(FailureKind::External));
    let report = client.report();
    assert_eq!(report.outcome, StateName::Done);
    assert!(
        report
            .notes
            .contains(&"the end of the run is not in the journal: append failed".to_owned()),
        "{:?}",
        report.notes
    );
}

#[test]
fn the_memory_names_each_run_once_with_its_end() {
    let sim = crashed_with(Health::CRASHING);
    Client::new(&sim, "run-1").report();
    Client::new(&sim, "run-2").report();
    let world = sim.world();
    let runs: Vec<_> = world
        .memory
        .runs
        .iter()
        .map(|run| (run.run_id.as_str(), run.exit_code, run.state))
        .collect();
    let held = Some(ExitCode::HeldRollbackFailed.number());
    assert_eq!(
        runs,
        [("run-1", held, StateName::Held), ("run-2", held, StateName::Held)]
    );
    assert_eq!(world.memory.runs[0].by, "ann-run-1");
    assert_eq!((world.memory.runs[0].from, world.memory.runs[0].to), (2, 1));
}

#[test]
fn a_run_that_changed_nothing_leaves_the_memory_alone() {
    let sim = crashed();
    let client = Client::new(&sim, "run-1").with(Trouble::Every("drain"), Fault::Fails(FailureKind::Unreachable));
    client.sim.world().direct_skipped = Some("switched off".into());
    client.report();
    assert!(!client.calls.lock().unwrap().contains(&"remember"));
}

#[test]
fn a_run_that_lost_its_lock_writes_into_the_memory_no_more() {
    let sim = crashed();
    let count = Client::new(&crashed(), "count");
    count.report();
    let at = count.first_call("watch_ready");
    let client = Client::new(&sim, "run-1").with(Trouble::Call(at), Fault::LosesLock);
    let report = client.report();
    assert_eq!(report.outcome, StateName::Unknown);
    assert_eq!(sim.world().violations, [] as [String; 0]);
}

#[test]
fn the_memory_keeps_the_last_twenty_runs_and_the_last_forty_rejected_revisions() {
    let sim = crashed();
    {
        let mut world = sim.world();
        for number in 0..60_u32 {
            world.memory.runs.push(RunSummary {
                run_id: format!("old-{number}"),
                started: "2025-01-01T00:00:00Z".into(),
                from: 1,
                step_back: None,
                spares: false,
                to: 1,
                state: StateName::Done,
                exit_code: Some(0),
                summary: String::new(),
                by: "bob".into(),
            });
            world.memory.rejected.push(Rejected {
                revision: 900 + number,
                manifest_sha256: format!("old-{number}"),
                reason: "slow".into(),
            });
        }
    }
    assert_eq!(Client::new(&sim, "run-1").report().outcome, StateName::Done);
    let world = sim.world();
    let runs: Vec<_> = world.memory.runs.iter().map(|run| run.run_id.as_str()).collect();
    assert_eq!((runs.len(), runs[0], runs[19]), (20, "old-41", "run-1"));
    let rejected: Vec<_> = world
        .memory
        .rejected
        .iter()
        .map(|one| one.manifest_sha256.as_str())
        .collect();
    assert_eq!((rejected.len(), rejected[0], rejected[39]), (40, "old-21", "sha-bad"));
}

#[test]
fn a_revision_that_is_left_twice_is_remembered_once_with_the_newer_reason() {
    let sim = crashed();
    for (revision, sha) in [(1, "other"), (7, "sha-bad")] {
        sim.world().memory.rejected.push(Rejected {
            revision,
            manifest_sha256: sha.into(),
            reason: "long ago".into(),
        });
    }
    Client::new(&sim, "run-1")
        .asking(|request| request.reason = Some("two\nlines  of reason".into()))
        .report();
    let world = sim.world();
    let rejected: Vec<_> = world
        .memory
        .rejected
        .iter()
        .map(|one| (one.revision, one.manifest_sha256.as_str(), one.reason.as_str()))
        .collect();
    assert_eq!(
        rejected,
        [(1, "other", "long ago"), (2, "sha-bad", "two lines of reason")]
    );
}

#[test]
fn a_target_that_proved_itself_is_rejected_no_more() {
    let sim = crashed();
    for sha in ["other", "sha-good"] {
        sim.world().memory.rejected.push(Rejected {
            revision: 1,
            manifest_sha256: sha.into(),
            reason: "long ago".into(),
        });
    }
    let client = Client::new(&sim, "run-1").asking(|request| {
        request.target = RollbackTarget::Exact(Revision(1));
        request.accept.insert(Override::BadTarget);
    });
    assert_eq!(client.report().outcome, StateName::Done);
    let world = sim.world();
    let rejected: Vec<_> = world
        .memory
        .rejected
        .iter()
        .map(|one| one.manifest_sha256.as_str())
        .collect();
    assert_eq!(rejected, ["other", "sha-bad"]);
}

#[test]
fn applying_the_same_manifest_again_rejects_nothing() {
    let sim = crashed();
    sim.world().health.insert("bad".into(), Health::GOOD);
    let client = Client::new(&sim, "run-1").asking(|request| {
        request.target = RollbackTarget::Exact(Revision(2));
    });
    let report = client.report();
    assert!(sim.world().memory.rejected.is_empty(), "{:?}", report.outcome);
}

#[test]
fn a_lock_whose_answer_is_lost_is_given_back_and_anothers_never() {
    let sim = crashed();
    let client = Client::new(&sim, "run-1").with(Trouble::Every("acquire"), Fault::LosesAnswer);
    assert_eq!(client.report().outcome, StateName::Unchanged);
    assert_eq!(sim.world().lock, None);
    let client = client.with(Trouble::Every("release"), Fault::Fails(FailureKind::Unreachable));
    let report = client.report();
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("if the lock was taken after all, it runs out by itself")),
        "{:?}",
        report.notes
    );
    let sim = crashed();
    sim.world().lock = Some(("run-0".into(), "first come".into()));
    let client = Client::new(&sim, "run-1");
    assert_eq!(client.report().exit_code, ExitCode::Locked);
    let calls = client.calls.lock().unwrap();
    assert!(!calls.contains(&"release") && !calls.contains(&"append"), "{calls:?}");
}

#[test]
fn a_lock_that_cannot_be_asked_for_is_not_a_lost_one() {
    let sim = crashed();
    let client = Client::new(&sim, "run-1").with(Trouble::Every("assert_held"), Fault::Fails(FailureKind::Unreachable));
    let report = client.report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    let world = sim.world();
    assert_eq!((&world.lock, world.traffic()), (&None, TrafficStatus::Enabled));
}

#[test]
fn what_was_written_ahead_is_taken_back_only_when_the_registry_said_no() {
    use FailureKind::{Conflict, Forbidden, Internal, Invalid, NotFound, Refused, Timeout, Unreachable, Usage};
    for (kind, may_still_come) in [
        (Refused, false),
        (Forbidden, false),
        (Conflict, false),
        (NotFound, false),
        (Invalid, false),
        (Usage, false),
        (Unreachable, true),
        (Timeout, true),
        (Internal, true),
    ] {
        let sim = crashed();
        let report = Client::new(&sim, "run-1")
            .with(Trouble::Every("stop"), Fault::Fails(kind))
            .report();
        assert_eq!(report.outcome, StateName::Unchanged, "{kind:?}");
        // The same command again helps, unless it was wrong.
        let again: &[_] = if kind == Usage {
            &[]
        } else {
            &["kubectl vllm-rollback llama -n prod"]
        };
        assert_eq!(report.next, again, "{kind:?}");
        let world = sim.world();
        assert_eq!(world.memory.held.is_some(), may_still_come, "{kind:?}");
    }
}
