//! What counts as proof: the pods that were checked, the verdicts, and live objects that equal the manifest.

use vllm_rollback_engine::check::{Outcome, Phase};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::release::Revision;
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_engine::workload::{Cause, CauseReason};

use crate::reporting::evidence;
use crate::sim::build::crashed;
use crate::sim::state::{Happening, World};
use crate::sim::{Client, Sim};

/// A release with two pods, and what happens while they are checked.
fn two_pods(happens: Happening) -> Sim {
    let sim = crashed();
    sim.world().replicas = 2;
    sim.world().during_checks = Some(happens);
    sim
}

#[track_caller]
fn held_because(sim: &Sim) -> Failure {
    let report = Client::new(sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Held);
    let world = sim.world();
    assert_eq!((world.traffic(), world.openings), (TrafficStatus::Disabled, 0));
    report.failure.unwrap()
}

#[test]
fn pods_that_are_not_those_that_were_checked_do_not_get_traffic() {
    let cases: [(Happening, &str); 5] = [
        (|world| drop(world.pods.pop()), "pod llama-4 is gone"),
        (
            |world| world.pods[1].revision_hash = "hash-other".into(),
            "pod llama-4 is now of revision hash-other",
        ),
        (|world| world.pods[0].ready = false, "pod llama-3 is not ready any more"),
        (|world| world.pods[1].restarts += 1, "pod llama-4 restarted"),
        (
            |world| {
                let mut new = world.pods[0].clone();
                new.uid = "uid-9".into();
                new.name = "llama-9".into();
                world.pods.push(new);
            },
            "pod llama-9 was not checked",
        ),
    ];
    for (happens, said) in cases {
        let failure = held_because(&two_pods(happens));
        assert_eq!(failure.what, "the pods changed while they were checked");
        assert_eq!(failure.why, [said]);
    }
}

fn upgrade(world: &mut World) {
    let mut other = world.newest().clone();
    other.revision = Revision(other.revision.0 + 1);
    world.records.push(other);
}

#[test]
fn another_helm_operation_is_named_once_and_explains_what_else_failed() {
    let what = "revision 4 (deployed) was made while this run was under way";
    let why = "this run was to prove revision 3, and another Helm operation wrote the release since";
    let failure = held_because(&two_pods(upgrade));
    assert_eq!(
        (failure.what.as_str(), failure.why.as_slice()),
        (what, [why.to_owned()].as_slice())
    );
    let failure = held_because(&two_pods(|world| {
        upgrade(world);
        world.pods.pop();
    }));
    assert_eq!(
        (failure.what.as_str(), failure.why[0].as_str(), failure.why.len()),
        (what, why, 2)
    );
    assert!(
        failure.why[1].starts_with("the pods changed while they were checked"),
        "{:?}",
        failure.why
    );
}

#[test]
fn pods_that_stay_as_they_were_are_counted() {
    let sim = two_pods(|_| ());
    // They restarted long before, and that is no matter now.
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Done);
    let validated = evidence(&report, StateName::Validated);
    assert!(
        validated.contains(&"the same 2 pods serve as before the checks".to_owned()),
        "{validated:?}"
    );
}

#[test]
fn a_check_that_is_not_required_is_told_and_decides_nothing() {
    let sim = crashed();
    sim.world().optional = Some(Outcome::Fail);
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Done);
    let validated = evidence(&report, StateName::Validated);
    assert!(validated.contains(&"style failed: Fail".to_owned()), "{validated:?}");
    // Alone it proves nothing either.
    let sim = crashed();
    sim.world().optional = Some(Outcome::Pass);
    sim.world().direct_skipped = Some("switched off".into());
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
}

#[test]
fn each_way_of_not_passing_has_its_word() {
    for (outcome, word) in [
        (Outcome::Fail, "completion failed: Fail"),
        (Outcome::Inconclusive, "completion could not tell: Inconclusive"),
        (Outcome::Error, "completion could not run: Error"),
    ] {
        let sim = crashed();
        let mut good = sim.world().health_of("good");
        good.direct = outcome;
        sim.world().health.insert("good".into(), good);
        let failure = held_because(&sim);
        assert_eq!(failure.what, "not passed: completion");
        assert_eq!(failure.why, [word]);
    }
}

#[test]
fn checks_are_told_what_the_registry_should_say_meanwhile() {
    for (found, direct) in [
        (TrafficStatus::Enabled, "disabled"),
        (TrafficStatus::Disabled, "disabled"),
        (TrafficStatus::Other("pending".into()), "pending"),
    ] {
        let sim = crashed();
        sim.world().traffic = Some(found.clone());
        let client = Client::new(&sim, "run-1").asking(|request| request.environment = Some("live".into()));
        assert_eq!(client.report().outcome, StateName::Done);
        let world = sim.world();
        let (phase, context) = &world.contexts[0];
        assert_eq!((*phase, context.expected_traffic.as_str()), (Phase::Direct, direct));
        assert_eq!((context.revision, context.run_id.as_str()), (3, "run-1"));
        assert_eq!(
            (context.model.as_deref(), context.environment.as_deref()),
            (Some("llama"), Some("live"))
        );
        assert_eq!(context.pods, world.pods);
        let routed = world
            .contexts
            .get(1)
            .map(|(phase, context)| (*phase, context.expected_traffic.as_str()));
        let is_in_traffic = found == TrafficStatus::Enabled;
        assert_eq!(routed, is_in_traffic.then_some((Phase::Routed, "enabled")));
    }
}

#[test]
fn the_model_that_the_operator_names_is_the_one_that_is_asked_for() {
    let sim = crashed();
    Client::new(&sim, "run-1")
        .asking(|request| request.model = Some("alias".into()))
        .report();
    assert_eq!(sim.world().contexts[0].1.model.as_deref(), Some("alias"));
}

#[test]
fn fields_that_differ_are_listed_up_to_ten() {
    for (count, first, more) in [
        (1, "1 field differ from the manifest of revision 3", None),
        (2, "2 fields differ", None),
        (10, "10 fields differ", None),
        (11, "11 fields differ", Some("and 1 field more")),
        (12, "12 fields differ", Some("and 2 fields more")),
    ] {
        let sim = crashed();
        sim.world().drifted = count;
        let failure = held_because(&sim);
        assert!(failure.what.starts_with(first), "{failure}");
        assert_eq!(failure.why.len(), count.min(10) + usize::from(more.is_some()));
        let told = "Deployment/llama metadata.labels[by-hand-0]: absent in the manifest, 1 in the cluster";
        assert_eq!(failure.why[0], told);
        if let Some(more) = more {
            assert_eq!(failure.why[10], more);
        }
    }
}

#[test]
fn a_cause_that_may_pass_is_told_from_one_that_will_not() {
    let cause = |object: &str, terminal| Cause {
        reason: CauseReason::Unschedulable,
        object: object.into(),
        message: "no node has room".into(),
        evidence: Vec::new(),
        terminal,
        next: vec!["kubectl get nodes".into(), format!("kubectl describe {object}")],
    };
    let sim = crashed();
    sim.world().health.insert("good".into(), crate::sim::Health::CRASHING);
    sim.world().causes = vec![cause("Pod/a", false), cause("Pod/b", false)];
    let failure = held_because(&sim);
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.what, "revision 3 did not get ready within 60 s");
    assert_eq!(failure.why, ["Pod/a: no node has room", "Pod/b: no node has room"]);
    let sim = crashed();
    sim.world().health.insert("good".into(), crate::sim::Health::CRASHING);
    sim.world().causes = vec![cause("Pod/a", false), cause("Pod/b", true)];
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.failure.unwrap().what, "revision 3 will not get ready");
    // A step that helps against both is said once.
    assert_eq!(
        report.next[..3],
        ["kubectl get nodes", "kubectl describe Pod/a", "kubectl describe Pod/b"]
    );
}
