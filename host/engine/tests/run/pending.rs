//! How long a pending revision may belong to a Helm that is alive.

use std::collections::BTreeSet;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::journal::RunState;
use vllm_rollback_engine::release::ReleaseStatus::{Deployed, PendingRollback, PendingUpgrade, Superseded};
use vllm_rollback_engine::release::{Hook, Revision};
use vllm_rollback_engine::request::RollbackTarget;
use vllm_rollback_engine::target::{ResolvedTarget, TargetQuery, choose};

use crate::sim::build::{history, wall};
use crate::sim::{Client, Fault, HelmEnd, Sim, Trouble, finish};

/// Chooses so many seconds after the operation began.
fn after(sim: &Sim, memory: &RunState, seconds: u64) -> Result<ResolvedTarget, Failure> {
    let client = Client::new(sim, "run-2");
    sim.world().records.last_mut().unwrap().last_deployed = Some(wall(1_000_000));
    let (now, accept) = (wall(1_000_000 + seconds * 1000), BTreeSet::new());
    let query = TargetQuery {
        release: &client.request.release,
        target: RollbackTarget::LastGood,
        accept: &accept,
        now: &now,
        verb: "",
    };
    finish(&client, choose(&client, memory, &query)).unwrap()
}

/// The first second at which the operation counts as dead.
#[track_caller]
fn assert_limit(sim: &Sim, memory: &RunState, limit: u64) {
    let failure = after(sim, memory, limit - 1).unwrap_err();
    assert!(
        failure
            .to_string()
            .contains("another Helm operation may still be at work"),
        "{failure}"
    );
    assert!(failure.next[0].contains("or 1 s,"), "{failure:?}");
    let choice = after(sim, memory, limit).unwrap();
    assert!(
        choice.notes[0].contains(&format!("for {limit} s")),
        "{:?}",
        choice.notes
    );
}

fn upgrade() -> Sim {
    history(&[(Superseded, "a"), (Deployed, "b"), (PendingUpgrade, "c")])
}

/// A world in which our own run's Helm was cut off.
fn ours() -> (Sim, RunState) {
    let sim = crate::sim::build::crashed();
    sim.world().helm_ends.push_back(HelmEnd::Pending);
    let dead = Client::new(&sim, "run-1").with(Trouble::Every("rollback"), Fault::DiesAfter);
    assert!(dead.run().is_none());
    assert_eq!(sim.world().newest().status, PendingRollback);
    let memory = sim.world().memory.clone();
    (sim, memory)
}

#[test]
fn somebodys_operation_may_live_for_ten_minutes() {
    assert_limit(&upgrade(), &RunState::default(), 600);
}

#[test]
fn our_own_that_died_may_live_for_one_minute() {
    let (sim, memory) = ours();
    assert_limit(&sim, &memory, 60);
}

#[test]
fn our_own_that_runs_hooks_is_waited_for_as_somebodys() {
    let (sim, memory) = ours();
    let hook = |event: &str| Hook {
        name: "warm-up".into(),
        kind: "Job".into(),
        events: vec![event.into()],
        began_only: false,
    };
    sim.world().records.last_mut().unwrap().hooks = vec![hook("post-rollback")];
    assert_limit(&sim, &memory, 600);
    sim.world().records.last_mut().unwrap().hooks = vec![hook("test")];
    assert_limit(&sim, &memory, 60);
}

#[test]
fn a_rollback_that_no_unfinished_run_began_is_somebodys() {
    let (sim, mut memory) = ours();
    memory.held = None;
    assert_limit(&sim, &memory, 600);
    // One of another run's revisions is not this one's either.
    let (sim, mut memory) = ours();
    memory.runs[0].to = 7;
    assert_limit(&sim, &memory, 600);
}

#[test]
fn an_operation_of_unknown_or_future_time_is_waited_for_in_full() {
    let sim = upgrade();
    let client = Client::new(&sim, "run-1");
    for (began, said) in [(None, "since an unknown time"), (Some(wall(90_000)), "for -60 s")] {
        sim.world().records.last_mut().unwrap().last_deployed = began;
        let (now, accept) = (wall(30_000), BTreeSet::new());
        let query = TargetQuery {
            release: &client.request.release,
            target: RollbackTarget::Exact(Revision(1)),
            accept: &accept,
            now: &now,
            verb: "",
        };
        let failure = finish(&client, choose(&client, &RunState::default(), &query))
            .unwrap()
            .unwrap_err();
        assert!(failure.what.contains(said), "{failure}");
        assert!(failure.next[0].contains("or 600 s,"), "{failure:?}");
    }
}
