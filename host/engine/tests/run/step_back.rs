//! A newest revision that was never applied to its end hides from Helm what is live (helm#13346).

use vllm_rollback_engine::release::{ReleaseStatus, Revision};
use vllm_rollback_engine::report::StateName;
use vllm_rollback_engine::request::Override;
use vllm_rollback_engine::resume::Decision;
use vllm_rollback_engine::traffic::TrafficStatus;

use crate::sim::build::{crashed, record};
use crate::sim::{Client, Fault, Health, HelmEnd, Sim, Trouble};
use crate::unfinished::decisions;

/// Revision 2 is live and has a field of its own; revision 3, its rollback, was begun and cut off.
pub(crate) fn half_rolled_back(status: ReleaseStatus) -> Sim {
    let sim = crashed();
    {
        let mut world = sim.world();
        let bad = Health {
            own_field: true,
            ..Health::CRASHING
        };
        world.health.insert("bad".into(), bad);
        let mut pending = record(3, status, "good");
        pending.rolled_back_to = Some(Revision(1));
        world.records.push(pending);
    }
    sim
}

pub(crate) fn client(sim: &Sim, run_id: &str) -> Client {
    Client::new(sim, run_id).asking(|request| {
        request.accept.insert(Override::PendingCurrent);
    })
}

/// Lists the revisions that Helm was ordered to go to, in order.
fn ordered(sim: &Sim) -> Vec<u32> {
    sim.world().orders.iter().map(|order| order.to.0).collect()
}

#[test]
fn helm_first_goes_back_to_what_is_live_so_that_nothing_of_it_stays() {
    for status in [ReleaseStatus::PendingRollback, ReleaseStatus::Failed] {
        let sim = half_rolled_back(status);
        let report = client(&sim, "run-1").report();
        assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
        assert_eq!(ordered(&sim), [2, 1]);
        let world = sim.world();
        let described = &world.orders[0].description;
        assert!(
            described.starts_with("Rollback to 2, a step on the way to 1"),
            "{described}"
        );
        assert!(
            world.orders[0].skips_hooks && !world.orders[1].skips_hooks,
            "hooks are the target's alone"
        );
        assert_eq!(world.violations, [] as [String; 0]);
        assert_eq!(report.new_revision, Some(Revision(5)));
    }
}

#[test]
fn where_nothing_would_stay_helm_goes_straight_to_the_target() {
    let sim = half_rolled_back(ReleaseStatus::PendingRollback);
    sim.world().health.insert("bad".into(), Health::CRASHING);
    assert_eq!(client(&sim, "run-1").report().outcome, StateName::Done);
    assert_eq!(ordered(&sim), [1]);
}

#[test]
fn a_deployed_revision_is_what_is_live() {
    let sim = crashed();
    let bad = Health {
        own_field: true,
        ..Health::CRASHING
    };
    sim.world().health.insert("bad".into(), bad);
    assert_eq!(client(&sim, "run-1").report().outcome, StateName::Done);
    assert_eq!(ordered(&sim), [1]);
}

#[test]
fn a_step_back_that_fails_holds_the_model_and_the_next_run_goes_on() {
    for end in [HelmEnd::FailedWithoutMark, HelmEnd::Pending] {
        let sim = half_rolled_back(ReleaseStatus::PendingRollback);
        sim.world().helm_ends.push_back(end);
        let report = client(&sim, "run-1").report();
        assert_eq!(report.outcome, StateName::Held, "{end:?}");
        assert_eq!(ordered(&sim), [2], "{end:?}: not on from a step that failed");
        let report = client(&sim, "run-2").report();
        assert_eq!(report.outcome, StateName::Done, "{end:?}: {:?}", report.failure);
        assert_eq!(sim.world().violations, [] as [String; 0], "{end:?}");
    }
}

#[test]
fn a_run_that_died_at_any_call_of_the_way_is_resumed_to_its_end() {
    let count = half_rolled_back(ReleaseStatus::PendingRollback);
    let counting = client(&count, "count");
    counting.report();
    for at in 0..counting.calls_made() {
        for death in [Fault::DiesBefore, Fault::DiesAfter] {
            let place = format!("{death:?} at call {at}");
            let sim = half_rolled_back(ReleaseStatus::PendingRollback);
            let dead = client(&sim, "run-1").with(Trouble::Call(at), death);
            assert!(dead.run().is_none(), "{place}");
            match client(&sim, "run-2").run_or_resume().unwrap() {
                Ok(report) => assert_eq!(report.outcome, StateName::Done, "{place}: {:?}", report.failure),
                // All was done; the newest revision is the rollback.
                Err(failure) => assert!(failure.to_string().contains("revision"), "{place}: {failure}"),
            }
            let world = sim.world();
            assert_eq!(world.violations, [] as [String; 0], "{place}");
            assert_eq!((world.live.as_str(), world.has_leftover), ("good", false), "{place}");
            assert_eq!(world.traffic(), TrafficStatus::Enabled, "{place}");
            let back = world.orders.iter().filter(|order| order.to.0 == 2).count();
            let there = world.orders.iter().filter(|order| order.to.0 == 1).count();
            assert_eq!((back, there), (1, 1), "{place}: neither step is done twice");
        }
    }
}

#[test]
fn a_run_that_died_between_the_two_steps_is_known_by_its_step() {
    let sim = half_rolled_back(ReleaseStatus::PendingRollback);
    let at = {
        let counting = client(&half_rolled_back(ReleaseStatus::PendingRollback), "count");
        counting.report();
        counting.first_call("rollback")
    };
    let dead = client(&sim, "run-1").with(Trouble::Call(at), Fault::DiesAfter);
    assert!(dead.run().is_none());
    assert_eq!(sim.world().newest().manifest, "bad");
    assert_eq!(decisions(&sim)[1], (StateName::RolledBack, Decision::Redo));
}
