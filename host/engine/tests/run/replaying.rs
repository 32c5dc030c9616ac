//! A journal that is run again goes the way of its run.

use std::collections::BTreeSet;

use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::journal::{Journalled, RecordKind};
use vllm_rollback_engine::release::ReleaseStatus;
use vllm_rollback_engine::replay::{Replay, ReplayEnd, replay};
use vllm_rollback_engine::report::StateName;
use vllm_rollback_engine::traffic::TrafficStatus;

use crate::gitops::{owned, suspending};
use crate::sim::build::{crashed, crashed_with, history};
use crate::sim::{Client, Fault, Health, HelmEnd, Sim, Trouble};
use crate::step_back::{self, half_rolled_back};
use crate::unfinished::cut_off;

fn journal(sim: &Sim, run_id: &str) -> Journalled {
    let world = sim.world();
    let entries = world.journal.iter().filter(|entry| entry.run_id == run_id);
    Journalled {
        entries: entries.cloned().collect(),
        damaged: None,
    }
}

fn again(journal: &Journalled) -> Replay {
    replay(journal).unwrap()
}

#[track_caller]
fn ends_as_it_did(sim: &Sim, run_id: &str, state: StateName, exit_code: i32) {
    let journal = journal(sim, run_id);
    let replay = again(&journal);
    assert_eq!(replay.end, ReplayEnd::Ended { state, exit_code });
    assert_eq!(replay.records, journal.entries);
}

#[test]
fn a_run_that_ended_ends_in_the_same_way() {
    let sim = crashed();
    Client::new(&sim, "run-1").report();
    ends_as_it_did(&sim, "run-1", StateName::Done, 0);
}

#[test]
fn a_model_that_had_no_traffic_has_none_in_the_replay() {
    let sim = crashed();
    sim.world().traffic = Some(TrafficStatus::Disabled);
    Client::new(&sim, "run-1").report();
    ends_as_it_did(&sim, "run-1", StateName::Done, 0);
}

#[test]
fn a_run_that_failed_fails_at_the_same_step() {
    let sim = crashed_with(Health::CRASHING);
    Client::new(&sim, "run-1").report();
    ends_as_it_did(&sim, "run-1", StateName::Held, 11);
    let sim = crashed();
    sim.world()
        .helm_ends
        .push_back(HelmEnd::NoRecord(FailureKind::External));
    Client::new(&sim, "run-1").report();
    ends_as_it_did(&sim, "run-1", StateName::Held, 11);
}

#[test]
fn a_check_that_did_not_pass_does_not_pass_again() {
    let at_the_pods = Health {
        direct: Outcome::Fail,
        ..Health::GOOD
    };
    let through_the_router = Health {
        routed: Outcome::Fail,
        ..Health::GOOD
    };
    for failing in [at_the_pods, through_the_router] {
        let sim = crashed_with(failing);
        Client::new(&sim, "run-1").report();
        ends_as_it_did(&sim, "run-1", StateName::Held, 10);
    }
}

#[test]
fn a_run_that_went_on_with_an_earlier_rollback_does_so_again() {
    let sim = cut_off("rollback", Fault::DiesAfter);
    Client::new(&sim, "run-2").resume().unwrap().unwrap();
    ends_as_it_did(&sim, "run-2", StateName::Done, 0);
}

#[test]
fn wherever_a_run_was_cut_off_its_replay_ends_there_and_names_what_was_open() {
    let count = Client::new(&crashed(), "run-1");
    count.report();
    for at in 0..count.calls_made() {
        let sim = crashed();
        let dead = Client::new(&sim, "run-1").with(Trouble::Call(at), Fault::DiesBefore);
        assert!(dead.run().is_none());
        let journal = journal(&sim, "run-1");
        let Some(last) = journal.entries.last() else { continue };
        let replay = again(&journal);
        assert_eq!(replay.records, journal.entries, "cut off at call {at}");
        match (&replay.end, &last.edge) {
            (ReplayEnd::Ended { exit_code: 0, .. }, RecordKind::Finished { .. }) => {}
            (ReplayEnd::CutOff { open, next: Some(_) }, RecordKind::Intent { key, .. }) => {
                assert_eq!(open.as_slice(), std::slice::from_ref(key));
            }
            (ReplayEnd::CutOff { open, next: Some(_) }, _) => assert!(open.is_empty(), "{open:?}"),
            other => panic!("cut off at call {at}: {other:?}"),
        }
    }
}

#[test]
fn a_decision_that_this_version_would_not_take_is_shown_beside_its_own() {
    let sim = crashed();
    Client::new(&sim, "run-1").report();
    let mut journal = journal(&sim, "run-1");
    let at = journal
        .entries
        .iter()
        .position(|entry| entry.state == StateName::Ready)
        .unwrap();
    let RecordKind::Intent { key, .. } = &mut journal.entries[at].edge else {
        panic!("an intent")
    };
    *key = "watch something else".into();
    let replay = again(&journal);
    assert_eq!(replay.records.len(), at);
    let ReplayEnd::Parted {
        journal: theirs,
        this_version,
    } = replay.end
    else {
        panic!("{:?}", replay.end)
    };
    assert_eq!(theirs, journal.entries[at]);
    let ours = this_version.unwrap();
    assert_eq!(ours.at, theirs.at);
    assert!(
        matches!(&ours.edge, RecordKind::Intent { key, .. } if key == "watch 3"),
        "{ours:?}"
    );
}

#[test]
fn the_journal_of_another_verb_and_an_empty_one_are_refused() {
    let sim = cut_off("stop", Fault::DiesAfter);
    Client::new(&sim, "run-2").abort().unwrap();
    for journal in [journal(&sim, "run-2"), Journalled::default()] {
        assert_eq!(replay(&journal).unwrap_err().kind, FailureKind::Refused);
    }
}

#[test]
fn a_run_that_ended_before_helm_leaves_the_revision_that_it_found() {
    let fourth = || {
        history(&[
            (ReleaseStatus::Superseded, "good"),
            (ReleaseStatus::Superseded, "good"),
            (ReleaseStatus::Superseded, "good"),
            (ReleaseStatus::Deployed, "bad"),
        ])
    };
    let sim = fourth();
    let client = Client::new(&sim, "run-1").with(Trouble::Every("confirm_stopped"), Fault::Fails(FailureKind::Timeout));
    client.report();
    ends_as_it_did(&sim, "run-1", StateName::Held, 11);
    let count = Client::new(&fourth(), "count");
    count.report();
    // The order to Helm is written, then remembered, then given.
    let at = Trouble::Call(count.first_call("rollback") - 2);
    let sim = fourth();
    assert!(Client::new(&sim, "run-1").with(at, Fault::DiesBefore).run().is_none());
    let ReplayEnd::CutOff { next: Some(next), .. } = again(&journal(&sim, "run-1")).end else {
        panic!("it was cut off")
    };
    assert!(
        matches!(&next.edge, RecordKind::Intent { key, .. } if key.starts_with("helm-rollback 4→")),
        "{next:?}"
    );
}

#[test]
fn a_run_that_suspended_the_gitops_controller_does_so_again() {
    let sim = owned(crashed(), None);
    suspending(&sim).report();
    ends_as_it_did(&sim, "run-1", StateName::Done, 0);
}

#[test]
fn a_run_in_two_steps_takes_both_again() {
    for status in [ReleaseStatus::PendingRollback, ReleaseStatus::Failed] {
        let sim = half_rolled_back(status);
        step_back::client(&sim, "run-1").report();
        ends_as_it_did(&sim, "run-1", StateName::Done, 0);
    }
}

/// Runs with one thing going wrong at each call, and replays those that wrote a decision down.
fn replay_each(goes_wrong: fn(Client, u32) -> Client) {
    let count = Client::new(&crashed(), "run-1");
    count.report();
    let mut replayed = BTreeSet::new();
    let mut wrong = Vec::new();
    for (at, name) in (0..).zip(count.calls.lock().unwrap().iter()) {
        // What could not be written into the journal cannot be told from it.
        if *name == "append" {
            continue;
        }
        let sim = crashed();
        let Some(Ok(report)) = goes_wrong(Client::new(&sim, "run-1"), at).run() else {
            continue;
        };
        let Ok(replay) = replay(&journal(&sim, "run-1")) else {
            continue;
        };
        let (state, exit_code) = (report.outcome, report.exit_code.number());
        replayed.insert((state.to_string(), exit_code));
        if replay.end != (ReplayEnd::Ended { state, exit_code }) {
            wrong.push(format!(
                "{name}, call {at}: {state}, {exit_code}, and replayed {:?}",
                replay.end
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(replayed.len() > 1, "{replayed:?}");
}

#[test]
fn wherever_a_run_was_interrupted_its_replay_ends_as_it_did() {
    replay_each(|mut client, at| {
        client.interrupt_at = Some(at);
        client
    });
}

#[test]
fn wherever_a_call_failed_the_replay_ends_as_the_run_did() {
    replay_each(|client, at| client.with(Trouble::Call(at), Fault::Fails(FailureKind::Unreachable)));
    replay_each(|client, at| client.with(Trouble::Call(at), Fault::LosesAnswer));
}

#[test]
fn wherever_a_run_lost_its_lock_the_replay_ends_as_it_did() {
    replay_each(|client, at| client.with(Trouble::Call(at), Fault::LosesLock));
}
