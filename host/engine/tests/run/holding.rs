//! What a later run makes of what an earlier one left.

use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::release::{ReleaseStatus, Revision};
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_engine::request::{Override, RollbackTarget};
use vllm_rollback_engine::traffic::TrafficStatus;

use crate::sim::build::{crashed, crashed_with};
use crate::sim::{Client, Fault, Health, HelmEnd, Sim, Trouble};

#[track_caller]
fn assert_restored(sim: &Sim) {
    let world = sim.world();
    assert_eq!(world.live, "good");
    assert_eq!(world.traffic(), TrafficStatus::Enabled);
    assert_eq!(world.memory.held, None);
    assert_eq!(world.violations, [] as [String; 0]);
}

#[test]
fn after_a_hold_the_same_command_checks_again_and_enables_without_a_second_helm_run() {
    for target in [RollbackTarget::LastGood, RollbackTarget::Exact(Revision(1))] {
        let sim = crashed_with(Health {
            direct: Outcome::Fail,
            ..Health::GOOD
        });
        assert_eq!(Client::new(&sim, "run-1").report().outcome, StateName::Held);
        sim.world().health.insert("good".into(), Health::GOOD);
        let report = Client::new(&sim, "run-2").asking(|r| r.target = target).report();
        assert_eq!(report.outcome, StateName::Done);
        assert_eq!(
            (report.from_revision, report.to_revision, report.new_revision),
            (Some(Revision(2)), Some(Revision(1)), Some(Revision(3)))
        );
        assert!(
            report.notes.iter().any(|note| note.contains("run-1")),
            "{:?}",
            report.notes
        );
        assert_eq!(sim.world().orders.len(), 1);
        assert_restored(&sim);
    }
}

#[test]
fn a_hold_survives_reruns_that_fail_as_well() {
    let sim = crashed_with(Health::CRASHING);
    for run in ["run-1", "run-2", "run-3"] {
        assert_eq!(Client::new(&sim, run).report().outcome, StateName::Held);
    }
    let mut world = sim.world();
    assert_eq!(world.orders.len(), 1);
    assert_eq!(world.memory.held.clone().unwrap().prior.status, TrafficStatus::Enabled);
    // The trouble is gone.
    world.health.insert("good".into(), Health::GOOD);
    world.pods[0].ready = true;
    drop(world);
    assert_eq!(Client::new(&sim, "run-4").report().outcome, StateName::Done);
    assert_restored(&sim);
}

#[test]
fn a_failed_helm_3_rollback_does_not_make_the_bad_revision_look_good() {
    let sim = crashed();
    sim.world().helm_ends.push_back(HelmEnd::FailedWithoutMark);
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Held, ExitCode::HeldRollbackFailed)
    );
    assert_eq!(sim.world().records[1].status, ReleaseStatus::Superseded);
    let report = Client::new(&sim, "run-2").report();
    assert_eq!(
        (report.outcome, report.to_revision),
        (StateName::Done, Some(Revision(1)))
    );
    assert_restored(&sim);
}

#[test]
fn a_helm_that_died_is_waited_for_a_minute_and_then_run_again() {
    let sim = crashed();
    sim.world().helm_ends.push_back(HelmEnd::Pending);
    let dead = Client::new(&sim, "run-1").with(Trouble::Every("rollback"), Fault::DiesAfter);
    assert!(dead.run().is_none());
    let failure = Client::new(&sim, "run-2").resume().unwrap().unwrap_err();
    assert!(failure.what.contains("pending-rollback"), "{failure}");
    assert!(
        failure.next[1].contains("resume llama -n prod --accept-pending"),
        "{failure:?}"
    );
    sim.world().milliseconds += 61_000;
    let report = Client::new(&sim, "run-3").resume().unwrap().unwrap();
    assert_eq!(report.outcome, StateName::Done);
    assert_restored(&sim);
}

#[test]
fn a_pending_rollback_of_our_own_can_be_accepted_as_dead_at_once() {
    let sim = crashed();
    sim.world().helm_ends.push_back(HelmEnd::Pending);
    assert_eq!(
        Client::new(&sim, "run-1").report().exit_code,
        ExitCode::HeldRollbackFailed
    );
    let client = Client::new(&sim, "run-2").asking(|r| {
        r.accept.insert(Override::PendingCurrent);
    });
    assert_eq!(client.report().outcome, StateName::Done);
    assert_restored(&sim);
}

#[test]
fn a_model_that_was_out_of_traffic_before_stays_out() {
    for status in [TrafficStatus::Disabled, TrafficStatus::Other("pending".into())] {
        let sim = crashed();
        sim.world().traffic = Some(status.clone());
        let report = Client::new(&sim, "run-1").report();
        assert_eq!(report.outcome, StateName::Done);
        let world = sim.world();
        assert_eq!((world.traffic(), world.openings), (status, 0));
        assert!(
            report.notes.iter().any(|note| note.contains("as it was before")),
            "{:?}",
            report.notes
        );
    }
}

#[test]
fn of_several_gates_none_stays_closed_after_a_run_that_died_between_them() {
    let sim = crashed();
    sim.world().halfway = 1;
    let dead = Client::new(&sim, "run-1").with(Trouble::Every("stop"), Fault::DiesAfter);
    assert!(dead.run().is_none());
    assert!(sim.world().is_half_out);
    let report = Client::new(&sim, "run-2").resume().unwrap().unwrap();
    assert_eq!(report.outcome, StateName::Done);
    assert_restored(&sim);
    assert!(!sim.world().is_half_out);
}

#[test]
fn a_run_that_changed_nothing_leaves_the_hold_that_it_found() {
    let held_and_enabled_by_hand = || {
        let sim = crashed_with(Health::CRASHING);
        Client::new(&sim, "run-1").report();
        sim.world().traffic = Some(TrafficStatus::Enabled);
        sim
    };
    let count = Client::new(&held_and_enabled_by_hand(), "count");
    count.report();
    let at = Trouble::Call(count.first_call("remember"));
    let sim = held_and_enabled_by_hand();
    let held = sim.world().memory.held.clone();
    let report = Client::new(&sim, "run-2").with(at, Fault::LosesAnswer).report();
    assert_eq!(report.outcome, StateName::Unchanged);
    assert_eq!(sim.world().memory.held, held);
}

#[test]
fn a_fence_that_ends_half_way_is_not_called_unchanged() {
    let sim = crashed();
    sim.world().halfway = 1;
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Held, ExitCode::HeldRollbackFailed)
    );
    assert_eq!(sim.world().traffic(), TrafficStatus::Disabled);
    assert_eq!(Client::new(&sim, "run-2").report().outcome, StateName::Done);
    assert_restored(&sim);
    assert!(!sim.world().is_half_out);
}

#[test]
fn a_held_model_that_somebody_enabled_meanwhile_is_fenced_again() {
    let sim = crashed_with(Health {
        direct: Outcome::Fail,
        ..Health::GOOD
    });
    Client::new(&sim, "run-1").report();
    sim.world().traffic = Some(TrafficStatus::Enabled);
    sim.world().health.insert("good".into(), Health::GOOD);
    assert_eq!(Client::new(&sim, "run-2").report().outcome, StateName::Done);
    assert_restored(&sim);
}

#[test]
fn a_model_that_cannot_be_taken_out_again_ends_unknown_and_loudly() {
    let sim = crashed_with(Health {
        routed: Outcome::Fail,
        ..Health::GOOD
    });
    let resumed = number_of("resume_to");
    let mut client = Client::new(&sim, "run-1");
    for call in resumed + 1..resumed + 20 {
        client = client.with(Trouble::Call(call), Fault::Fails(FailureKind::Unreachable));
    }
    let report = client.report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unknown, ExitCode::Unknown)
    );
    assert!(
        report.notes.iter().any(|note| note.contains("may be in traffic")),
        "{:?}",
        report.notes
    );
    assert!(
        report
            .next
            .iter()
            .any(|step| step.contains("registry disable llama -n prod"))
    );
    assert_eq!(report.traffic_after.map(|t| t.status), Some(TrafficStatus::Enabled));
}

#[test]
fn a_model_that_was_let_back_without_an_answer_is_taken_out_even_when_nobody_can_look() {
    let resumed = number_of("resume_to");
    let sim = crashed();
    let mut client = Client::new(&sim, "run-1").with(Trouble::Call(resumed), Fault::LosesAnswer);
    let unreachable = Fault::Fails(FailureKind::Unreachable);
    for call in resumed + 1..resumed + 20 {
        client = client.with(Trouble::Call(call), unreachable);
    }
    let report = client.report();
    assert_eq!(sim.world().traffic(), TrafficStatus::Enabled);
    assert_eq!(report.outcome, StateName::Unknown, "nobody may call this held");
}

#[test]
fn a_run_that_loses_its_lock_after_the_fence_touches_nothing_more() {
    let calls = Client::new(&crashed(), "count");
    calls.report();
    let asked: Vec<_> = {
        let calls = calls.calls.lock().unwrap();
        (0..calls.len()).filter(|at| calls[*at] == "assert_held").collect()
    };
    assert_eq!(
        asked.len(),
        3,
        "before the fence, before Helm, before the model is let back"
    );
    for (number, at) in asked.into_iter().enumerate() {
        let sim = crashed();
        let at = Trouble::Call(u32::try_from(at).unwrap());
        let report = Client::new(&sim, "run-1").with(at, Fault::LosesLock).report();
        let world = sim.world();
        assert_eq!(world.violations, [] as [String; 0]);
        if number == 0 {
            assert_eq!(
                (report.outcome, report.exit_code),
                (StateName::Unchanged, ExitCode::Locked)
            );
        } else {
            assert_eq!(
                (report.outcome, report.exit_code),
                (StateName::Unknown, ExitCode::Unknown)
            );
            let known = "the lock was lost, so this run stopped changing things; the model was last proved to be out of traffic";
            assert!(report.notes.iter().any(|note| note == known), "{:?}", report.notes);
            assert_eq!(world.traffic(), TrafficStatus::Disabled);
            assert_eq!(world.memory.held.clone().unwrap().prior.status, TrafficStatus::Enabled);
        }
        assert_eq!(
            world.lock.as_ref().unwrap().0,
            "thief",
            "the other's lock is left alone"
        );
    }
}

/// The number of a call within a run that goes well.
fn number_of(name: &str) -> u32 {
    let counted = Client::new(&crashed(), "count");
    counted.report();
    counted.first_call(name)
}

#[test]
fn what_a_failed_fence_took_is_put_back_where_the_registry_can_and_nothing_is_changed() {
    let sim = crashed();
    sim.world().halfway = 1;
    sim.world().undoes = true;
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    assert!(report.notes.iter().any(|note| note.contains("put back")), "{report:?}");
    assert_eq!(sim.world().traffic(), TrafficStatus::Enabled);
    assert!(!sim.world().is_half_out);
    assert_eq!(Client::new(&sim, "run-2").report().outcome, StateName::Done);
    assert_restored(&sim);
}

#[test]
fn where_it_cannot_be_put_back_the_model_is_held() {
    let sim = crashed();
    sim.world().halfway = 1;
    sim.world().undoes = true;
    let report = Client::new(&sim, "run-1")
        .with(Trouble::Every("undo_stop"), Fault::Fails(FailureKind::Unreachable))
        .report();
    assert_eq!(report.outcome, StateName::Held);
    assert!(
        report.notes.iter().any(|note| note.contains("could not be put back")),
        "{report:?}"
    );
    assert_eq!(sim.world().traffic(), TrafficStatus::Disabled);
}

#[test]
fn what_an_earlier_run_took_is_not_put_back_by_a_fence_that_fails() {
    let sim = crashed();
    sim.world().halfway = 1;
    assert_eq!(Client::new(&sim, "run-1").report().outcome, StateName::Held);
    sim.world().undoes = true;
    let report = Client::new(&sim, "run-2")
        .with(Trouble::Every("stop"), Fault::Fails(FailureKind::Unreachable))
        .report();
    assert_ne!(report.outcome, StateName::Done);
    assert_eq!(sim.world().traffic(), TrafficStatus::Disabled);
    assert_eq!(sim.world().orders.len(), 0);
}
