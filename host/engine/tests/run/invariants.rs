//! The invariants, over random histories, verdicts, failures, deaths, interruptions and rivals.

use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::event::Event;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::release::{ReleaseStatus, Revision};
use vllm_rollback_engine::report::{ExitCode, RunReport, StateName};
use vllm_rollback_engine::request::{FenceScope, Override, RollbackTarget};
use vllm_rollback_engine::traffic::TrafficStatus;

use crate::sim::build::{crashed, history};
use crate::sim::{Client, Fault, Health, HelmEnd, Sim, Trouble, interleave};

/// State of the world before a run.
struct Before {
    traffic: TrafficStatus,
    revisions: usize,
    orders: usize,
    openings: u32,
}

impl Before {
    fn of(sim: &Sim) -> Self {
        let world = sim.world();
        Self {
            traffic: world.traffic(),
            revisions: world.records.len(),
            orders: world.orders.len(),
            openings: world.openings,
        }
    }
}

/// Everything that must hold once a run ended. `original` is what the first run of all found.
#[track_caller]
fn assert_invariants(sim: &Sim, client: &Client, before: &Before, original: &TrafficStatus, report: &RunReport) {
    let world = sim.world();
    let now = world.traffic();
    assert_eq!(
        world.violations,
        [] as [String; 0],
        "I1, I3 or I7 at the moment of an act"
    );

    // I1: an opening that no check through the router confirmed does not last, or is said to be unknown.
    if world.openings > before.openings && now == TrafficStatus::Enabled && report.outcome != StateName::Unknown {
        assert!(!world.routed_failed, "I1: enabled after a failed routed check");
    }
    // I2: as it was found in the first place, or out of traffic with what to give back in the memory.
    let is_out = now != TrafficStatus::Enabled;
    let remembered = world.memory.held.as_ref();
    assert!(
        now == *original || (is_out && remembered.is_some_and(|held| held.prior.status == *original)),
        "I2: {now:?} instead of {original:?}, remembered {remembered:?}"
    );
    // A gate that stays closed is the run's to give back, or is remembered.
    if *original == TrafficStatus::Enabled && !is_out && world.is_half_out {
        assert_ne!(report.outcome, StateName::Done, "I2: a gate stays closed");
        assert!(
            remembered.is_some_and(|held| held.prior.token["half"] == false),
            "I2: nobody remembers the gate"
        );
    }
    match report.outcome {
        StateName::Done => {
            assert_eq!(report.exit_code, ExitCode::Success);
            assert_eq!(now, *original, "I2: done, but not as found");
            let target = world
                .records
                .iter()
                .find(|r| Some(r.revision) == report.to_revision)
                .unwrap();
            assert_eq!(world.live, target.manifest);
            assert_eq!(world.newest().status, ReleaseStatus::Deployed);
        }
        StateName::Held => {
            assert!(
                matches!(report.exit_code.number(), 10 | 11 | 13),
                "{:?}",
                report.exit_code
            );
            assert!(is_out, "I2: held, but in traffic");
            assert!(
                report.failure.as_ref().is_some_and(|f| !f.what.is_empty()),
                "I2: held without a reason"
            );
            assert!(remembered.is_some_and(|held| !held.reason.is_empty()));
            assert!(!report.next.is_empty());
        }
        StateName::Unchanged => {
            assert!(
                matches!(report.exit_code.number(), 1 | 12 | 14 | 15),
                "{:?}",
                report.exit_code
            );
            assert_eq!(now, before.traffic);
            assert_eq!(
                (world.records.len(), world.orders.len()),
                (before.revisions, before.orders)
            );
        }
        StateName::Unknown => assert_eq!(report.exit_code, ExitCode::Unknown),
        other => panic!("a run does not end in {other}"),
    }
    // I4: what is reported was seen, and nothing that was not.
    assert!(
        report.states.iter().all(|state| !state.evidence.is_empty()),
        "I4: a state without evidence"
    );
    if let (Some(seen), true) = (&report.traffic_after, report.outcome != StateName::Unknown) {
        assert_eq!(seen.status, now, "I4: traffic is reported as it is not");
    }
    if let Some(made) = report.new_revision {
        assert!(
            world.records.iter().any(|r| r.revision == made),
            "I4: a revision that does not exist"
        );
    }
    // I7: Helm is given a number that exists.
    for order in &world.orders[before.orders..] {
        assert!(order.to.0 >= 1 && order.to <= order.from, "I7: {order:?}");
        let is_step_back = order.skips_hooks;
        assert!(
            is_step_back || Some(order.to) == report.to_revision,
            "I7: not the planned target: {order:?}"
        );
    }
    let events = client.happened();
    let ends = events
        .iter()
        .filter(|event| matches!(event, Event::Finished { .. }))
        .count();
    assert!(
        ends == 1 && matches!(events.last(), Some(Event::Finished { .. })),
        "one end, and it is the last word"
    );
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Pass),
        1 => Just(Outcome::Fail),
        1 => Just(Outcome::Inconclusive),
        1 => Just(Outcome::Error),
    ]
}

fn health() -> impl Strategy<Value = Health> {
    let rarely = || prop::bool::weighted(0.15);
    let odd = (rarely(), rarely(), rarely(), any::<bool>());
    (odd, outcome(), outcome()).prop_map(|((crashes, leftover, restarts, own_field), direct, routed)| Health {
        ready: !crashes,
        direct,
        routed,
        leftover,
        own_field,
        restarts,
        opens_gate: false,
    })
}

fn helm_end() -> impl Strategy<Value = HelmEnd> {
    prop_oneof![
        4 => Just(HelmEnd::Deployed),
        1 => Just(HelmEnd::NoRecord(FailureKind::External)),
        1 => Just(HelmEnd::NoRecord(FailureKind::Unreachable)),
        1 => Just(HelmEnd::FailedWithoutMark),
        1 => Just(HelmEnd::Pending),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        2 => prop_oneof![
            Just(FailureKind::Unreachable),
            Just(FailureKind::Timeout),
            Just(FailureKind::Forbidden),
            Just(FailureKind::Conflict),
        ]
        .prop_map(Fault::Fails),
        2 => Just(Fault::LosesAnswer),
        1 => Just(Fault::DiesBefore),
        1 => Just(Fault::DiesAfter),
    ]
}

fn traffic() -> impl Strategy<Value = TrafficStatus> {
    prop_oneof![
        3 => Just(TrafficStatus::Enabled),
        1 => Just(TrafficStatus::Disabled),
        1 => Just(TrafficStatus::Other("pending".into())),
    ]
}

prop_compose! {
    fn world()(
        older in prop::collection::vec((prop_oneof![3 => Just(ReleaseStatus::Superseded), 1 => Just(ReleaseStatus::Failed)], 0..4_usize, prop::option::weighted(0.2, 1..5_u32)), 0..5),
        newest in (prop_oneof![3 => Just(ReleaseStatus::Deployed), 1 => Just(ReleaseStatus::Failed), 1 => Just(ReleaseStatus::PendingUpgrade)], 0..4_usize),
        healths in prop::collection::vec(health(), 4),
        traffic in traffic(),
        helm_ends in prop::collection::vec(helm_end(), 0..3),
        has_router in any::<bool>(),
        halfway in prop_oneof![4 => Just(0_u32), 1 => Just(1), 1 => Just(2)],
        undoes in any::<bool>(),
        (can_spare, stuck_beside) in (any::<bool>(), prop::option::of((0..4_usize, 1..3_u32))),
    ) -> Sim {
        const MANIFESTS: [&str; 4] = ["a", "b", "c", "d"];
        let mut revisions: Vec<_> = older.iter().map(|(status, manifest, _)| (*status, MANIFESTS[*manifest])).collect();
        revisions.push((newest.0, MANIFESTS[newest.1]));
        let sim = history(&revisions);
        {
            let mut world = sim.world();
            for (at, (_, _, to)) in older.iter().enumerate() {
                let earlier = to.filter(|to| usize::try_from(*to).unwrap() <= at);
                world.records[at].rolled_back_to = earlier.map(Revision);
            }
            world.health = MANIFESTS.iter().map(|m| (*m).to_owned()).zip(healths).collect();
            world.traffic = Some(traffic);
            world.helm_ends = VecDeque::from(helm_ends);
            world.has_router = has_router;
            world.halfway = halfway;
            world.undoes = undoes;
            world.can_spare = can_spare;
            let live = std::mem::take(&mut world.live);
            world.apply(&live);
            if let Some((manifest, count)) = stuck_beside {
                world.is_stuck_beside(MANIFESTS[manifest], count);
            }
        }
        sim
    }
}

fn target() -> impl Strategy<Value = RollbackTarget> {
    prop_oneof![
        2 => Just(RollbackTarget::LastGood),
        1 => (1..6_u32).prop_map(|n| RollbackTarget::Exact(Revision(n))),
    ]
}

fn client(sim: &Sim, id: &str, target: RollbackTarget, accepts_all: bool, spares: bool) -> Client {
    Client::new(sim, id).asking(|request| {
        request.target = target;
        request.fence = if spares { FenceScope::BadOnly } else { FenceScope::Whole };
        if accepts_all {
            request.accept.extend([Override::BadTarget, Override::PendingCurrent]);
        }
    })
}

/// Twice the usual number of cases: none where PROPTEST_CASES asks for none (tools/mutants.sh).
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: 2 * usual.cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..usual
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn i1_i2_i4_i7_hold_whatever_fails_dies_or_is_interrupted_and_for_every_run_after_it(
        sim in world(),
        runs in prop::collection::vec(
            (target(), any::<bool>(), any::<bool>(), prop::collection::btree_map((0..70_u32).prop_map(Trouble::Call), fault(), 0..3), prop::option::weighted(0.2, 0..70_u32)),
            1..4,
        ),
    ) {
        let original = sim.world().traffic();
        for (at, (target, accepts_all, spares, faults, interrupt_at)) in runs.into_iter().enumerate() {
            let mut client = client(&sim, &format!("run-{at}"), target, accepts_all, spares);
            client.faults = faults;
            client.interrupt_at = interrupt_at;
            let before = Before::of(&sim);
            if let Some(Ok(report)) = client.run_or_resume() {
                assert_invariants(&sim, &client, &before, &original, &report);
            }
            assert_eq!(sim.world().violations, [] as [String; 0]);
            sim.world().milliseconds += 3_600_000;
            // A lock whose giving back failed runs out.
            sim.world().lock = None;
        }
    }

    #[test]
    fn i2_a_clean_run_after_any_trouble_gives_back_what_was_found(
        end in helm_end(),
        traffic in traffic(),
        faults in prop::collection::btree_map((0..70_u32).prop_map(Trouble::Call), fault(), 0..4),
        interrupt_at in prop::option::weighted(0.2, 0..70_u32),
    ) {
        let sim = crashed();
        sim.world().traffic = Some(traffic.clone());
        sim.world().helm_ends.push_back(end);
        let mut troubled = Client::new(&sim, "run-1");
        troubled.faults = faults;
        troubled.interrupt_at = interrupt_at;
        let _ = troubled.run();
        sim.world().milliseconds += 3_600_000;
        sim.world().lock = None;
        sim.world().helm_ends.clear();
        let clean = Client::new(&sim, "run-2");
        let before = Before::of(&sim);
        match clean.run_or_resume().unwrap() {
            Ok(report) => {
                assert_invariants(&sim, &clean, &before, &traffic, &report);
                prop_assert_eq!(report.outcome, StateName::Done);
            }
            // All was done already.
            Err(failure) => prop_assert_eq!(failure.kind, FailureKind::Refused),
        }
        let world = sim.world();
        prop_assert_eq!(&world.live, "good");
        prop_assert_eq!(world.traffic(), traffic);
    }

    #[test]
    fn i3_of_two_runs_at_once_one_goes_on_and_the_other_is_told_who(
        turns in prop::collection::vec(any::<bool>(), 0..200),
    ) {
        let sim = crashed();
        let (a, b) = (Client::new(&sim, "run-a"), Client::new(&sim, "run-b"));
        let (ended_a, ended_b) = interleave(a.both(), b.both(), &turns);
        let ends = [(ended_a, "run-b"), (ended_b, "run-a")];
        let done = ends.iter().filter(|(end, _)| end.as_ref().is_ok_and(|r| r.outcome == StateName::Done)).count();
        prop_assert_eq!(done, 1);
        for (end, other) in ends {
            match end {
                Ok(report) if report.outcome == StateName::Done => {}
                Ok(report) => {
                    prop_assert_eq!(report.outcome, StateName::Unchanged);
                    let text = report.failure.unwrap().to_string();
                    match report.exit_code {
                        ExitCode::Locked => prop_assert!(text.contains(other) && text.contains("reason of"), "{}", text),
                        code => prop_assert_eq!(code, ExitCode::Stale),
                    }
                }
                // The other was at work when this one planned, or had ended.
                Err(failure) if failure.kind == FailureKind::Locked => {
                    prop_assert!(failure.to_string().contains(other), "{}", failure);
                }
                Err(failure) => prop_assert_eq!(failure.kind, FailureKind::Refused),
            }
        }
        let world = sim.world();
        prop_assert_eq!(&world.violations, &Vec::<String>::new());
        prop_assert_eq!(world.records.len(), 3);
        prop_assert_eq!(world.traffic(), TrafficStatus::Enabled);
    }
}

#[test]
fn i2_a_run_that_dies_at_any_port_call_is_finished_by_the_next_and_helm_runs_once() {
    let count = Client::new(&crashed(), "count");
    count.report();
    for original in [TrafficStatus::Enabled, TrafficStatus::Disabled] {
        for at in 0..count.calls_made() {
            for death in [Fault::DiesBefore, Fault::DiesAfter] {
                let sim = crashed();
                sim.world().traffic = Some(original.clone());
                let dead = Client::new(&sim, "run-1").with(Trouble::Call(at), death);
                if dead.run().is_some() {
                    continue;
                }
                let next = Client::new(&sim, "run-2");
                let before = Before::of(&sim);
                match next.run_or_resume().unwrap() {
                    Ok(report) => {
                        assert_invariants(&sim, &next, &before, &original, &report);
                        assert_eq!(report.outcome, StateName::Done, "{death:?} at call {at}");
                    }
                    Err(failure) => assert_eq!(failure.kind, FailureKind::Refused, "{death:?} at call {at}: {failure}"),
                }
                let world = sim.world();
                assert_eq!(world.records.len(), 3, "{death:?} at call {at}: Helm ran once");
                assert_eq!(world.traffic(), original, "{death:?} at call {at}");
                assert_eq!(world.memory.held, None, "{death:?} at call {at}");
                assert_eq!(world.live, "good");
            }
        }
    }
}

#[test]
fn i1_i2_i4_hold_for_every_single_failure_of_every_port_call() {
    let count = Client::new(&crashed(), "count");
    count.report();
    let faults = [
        Fault::Fails(FailureKind::Unreachable),
        Fault::Fails(FailureKind::Forbidden),
        Fault::Fails(FailureKind::Timeout),
        Fault::LosesAnswer,
    ];
    for at in 0..count.calls_made() + 5 {
        for fault in faults {
            let sim = crashed();
            let client = Client::new(&sim, "run-1").with(Trouble::Call(at), fault);
            let before = Before::of(&sim);
            if let Some(Ok(report)) = client.run() {
                assert_invariants(&sim, &client, &before, &TrafficStatus::Enabled, &report);
            }
        }
    }
}
