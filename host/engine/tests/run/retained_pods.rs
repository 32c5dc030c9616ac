//! Good pods that go on serving through a run.

use vllm_rollback_engine::check::{Outcome, Phase};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::journal::RecordKind;
use vllm_rollback_engine::plan::Plan;
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_engine::request::FenceScope;
use vllm_rollback_engine::traffic::TrafficStatus::{self, Disabled, Enabled, Partial};
use vllm_rollback_engine::workload::{Finding, Severity};
use vllm_rollback_engine::{TrafficAction, plan, refusal, rollback, set_traffic, validate_retained};

use crate::sim::build::crashed;
use crate::sim::{Client, Fault, Health, Sim, Trouble, finish};

/// Revision 2 is stuck; two pods of revision 1 still serve.
pub(crate) fn stuck() -> Sim {
    let sim = crashed();
    let mut world = sim.world();
    world.can_spare = true;
    world.is_stuck_beside("good", 2);
    drop(world);
    sim
}

pub(crate) fn sparing(sim: &Sim, id: &str) -> Client {
    Client::new(sim, id).asking(|request| request.fence = FenceScope::BadOnly)
}

fn failing() -> Health {
    Health {
        direct: Outcome::Fail,
        ..Health::GOOD
    }
}

#[track_caller]
fn assert_traffic(sim: &Sim, wanted: &TrafficStatus) {
    let world = sim.world();
    assert_eq!(world.traffic(), *wanted);
    assert_eq!(world.violations, [] as [String; 0]);
}

fn by_hand(sim: &Sim, id: &str, action: TrafficAction) {
    let mut client = Client::new(sim, id);
    client.is_by_operator = true;
    let report = finish(&client, set_traffic(&client.world(), &client.request, action)).unwrap();
    assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
}

#[test]
fn good_pods_are_checked_first_and_serve_until_the_rest_is_proved() {
    let sim = stuck();
    let client = sparing(&sim, "run-1");
    let report = client.report();
    assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
    let calls = client.calls.lock().unwrap().clone();
    let at = |name| calls.iter().position(|call| *call == name).unwrap();
    assert!(at("checks") < at("retain") && at("retain") < at("stop") && at("stop") < at("rollback"));
    let world = sim.world();
    assert_eq!(
        world.spared, world.drained_beside,
        "nobody waits for pods that stay in traffic"
    );
    assert_eq!(world.spared.len(), 2);
    let told: Vec<_> = world
        .contexts
        .iter()
        .filter(|(phase, _)| *phase == Phase::Direct)
        .collect();
    assert_eq!(told[0].1.expected_traffic, "enabled");
    assert_eq!((told[0].1.pods.len(), told[0].1.is_subset), (2, true));
    assert_eq!(told[1].1.expected_traffic, "narrowed");
    assert_eq!(told[1].1.pods.len(), 3, "new pods are checked, too");
    drop(world);
    assert_traffic(&sim, &Enabled);
}

#[test]
fn without_the_wish_the_plan_proposes_it_and_the_whole_model_is_taken_out() {
    let sim = stuck();
    let client = Client::new(&sim, "run-1");
    let made = finish(&client, plan(&client.world(), &client.request))
        .unwrap()
        .unwrap();
    assert!(made.spares.is_empty());
    let proposal = made
        .preflight
        .findings
        .iter()
        .find(|finding| finding.subject == "fence")
        .unwrap();
    assert_eq!(proposal.severity, Severity::Warning);
    assert_eq!(proposal.next, ["kubectl vllm-rollback llama --fence bad-only -n prod"]);
    sim.world().can_spare = false;
    let made = finish(&client, plan(&client.world(), &client.request))
        .unwrap()
        .unwrap();
    assert!(made.preflight.findings.iter().all(|finding| finding.subject != "fence"));
    sim.world().can_spare = true;
    assert_eq!(client.report().outcome, StateName::Done);
    assert!(sim.world().spared.is_empty());
}

/// Makes a plan with the checks' verdicts on the good pods.
fn tried(client: &Client) -> Plan {
    let (world, request) = (client.world(), &client.request);
    let trying = async {
        let mut made = plan(&world, request).await?;
        validate_retained(&world, request, &mut made).await?;
        Ok::<_, Failure>(made)
    };
    finish(client, trying).unwrap().unwrap()
}

fn of_the_fence(made: &Plan) -> &Finding {
    let findings = made.preflight.findings.iter();
    let found: Vec<_> = findings.filter(|finding| finding.subject == "fence").collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

#[test]
fn whoever_asks_for_a_plan_is_told_whether_the_good_pods_pass() {
    let sim = stuck();
    let (asked, wished) = (Client::new(&sim, "run-1"), sparing(&sim, "run-2"));
    let made = tried(&asked);
    let proposal = of_the_fence(&made);
    assert!(
        proposal.message.ends_with("; they pass the direct checks"),
        "{proposal:?}"
    );
    assert_eq!((proposal.severity, proposal.next.len()), (Severity::Warning, 1));
    let contexts = sim.world().contexts.clone();
    let [(phase, told)] = contexts.as_slice() else {
        panic!("checks ran once: {contexts:?}")
    };
    assert_eq!((*phase, told.pods.len(), told.is_subset), (Phase::Direct, 2, true));
    assert_eq!(told.expected_traffic, "enabled");
    let made = tried(&wished);
    assert_eq!((of_the_fence(&made).severity, refusal(&made)), (Severity::Ok, None));
    sim.world().health.insert("good".into(), failing());
    let made = tried(&asked);
    let proposal = of_the_fence(&made);
    assert!(
        proposal.message.contains("do not pass the direct checks"),
        "{proposal:?}"
    );
    assert_eq!(
        (proposal.next.len(), refusal(&made)),
        (0, None),
        "the whole model can be taken out"
    );
    let refused = refusal(&tried(&wished)).expect("it would be refused");
    assert_eq!(refused.next, ["kubectl vllm-rollback llama -n prod"]);
    assert_traffic(&sim, &Enabled);
}

#[test]
fn where_nothing_is_spared_a_plan_checks_nothing() {
    let sim = crashed();
    sim.world().can_spare = true;
    tried(&Client::new(&sim, "run-1"));
    assert_eq!(sim.world().contexts.len(), 0);
}

#[test]
fn a_pod_that_restarts_while_it_is_checked_is_not_spared() {
    let sim = stuck();
    let restarting = Health {
        restarts: true,
        ..Health::GOOD
    };
    sim.world().health.insert("good".into(), restarting);
    let report = sparing(&sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Unchanged);
    assert_eq!(sim.world().orders.len(), 0);
}

#[test]
fn pods_that_do_not_pass_are_not_spared_and_nothing_is_changed() {
    let sim = stuck();
    sim.world().health.insert("good".into(), failing());
    let report = sparing(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    let world = sim.world();
    assert_eq!(
        (world.orders.len(), world.memory.held.clone(), world.spared.len()),
        (0, None, 0)
    );
    drop(world);
    assert_traffic(&sim, &Enabled);
}

#[test]
fn it_is_refused_where_no_pod_is_good_or_the_registry_cannot_do_it() {
    let sim = crashed();
    sim.world().can_spare = true;
    let report = sparing(&sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Unchanged);
    assert!(report.failure.unwrap().what.contains("none to keep in traffic"));
    let refused = refusal(&tried(&sparing(&sim, "run-2"))).unwrap();
    assert_eq!(refused.next, ["kubectl vllm-rollback llama -n prod"]);
    let sim = stuck();
    sim.world().can_spare = false;
    assert_eq!(sparing(&sim, "run-1").no_plan().kind, FailureKind::Refused);
    assert_traffic(&sim, &Enabled);
}

#[test]
fn pods_that_end_between_plan_and_fence_are_no_reason_to_go_on_without_them() {
    let sim = stuck();
    let client = sparing(&sim, "run-1");
    let made = finish(&client, plan(&client.world(), &client.request))
        .unwrap()
        .unwrap();
    sim.world().old.clear();
    let report = finish(&client, rollback(&client.world(), &client.request, made)).unwrap();
    assert_eq!(report.outcome, StateName::Unchanged);
    assert_eq!(sim.world().orders.len(), 0);
    assert_traffic(&sim, &Enabled);
}

#[test]
fn a_failure_after_helm_leaves_the_good_pods_serving_and_the_next_run_goes_on() {
    let sim = stuck();
    sim.world().drifted = 1;
    let report = sparing(&sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Held);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("no other pod gets traffic")),
        "{:?}",
        report.notes
    );
    assert_traffic(&sim, &Partial);
    // So it is when the next one fails, too.
    let report = Client::new(&sim, "run-1b").report();
    assert_eq!(report.outcome, StateName::Held);
    assert_traffic(&sim, &Partial);
    sim.world().drifted = 0;
    // Without the wish, too: what serves is not taken out for it.
    let report = Client::new(&sim, "run-2").report();
    assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
    assert_eq!(sim.world().orders.len(), 1);
    assert_traffic(&sim, &Enabled);
}

/// As [`stuck`], with good pods that do not answer through the router.
fn failing_behind_the_router() -> Sim {
    let sim = stuck();
    let health = Health {
        routed: Outcome::Fail,
        ..Health::GOOD
    };
    sim.world().health.insert("good".into(), health);
    sim
}

#[test]
fn good_pods_go_on_when_the_model_is_taken_out_once_more() {
    let sim = failing_behind_the_router();
    let client = sparing(&sim, "run-1");
    let report = client.report();
    assert_eq!(report.outcome, StateName::Held);
    assert_traffic(&sim, &Partial);
    let retained = client
        .calls
        .lock()
        .unwrap()
        .iter()
        .filter(|call| **call == "retain")
        .count();
    assert_eq!(retained, 2, "labels went when the whole model was given back");
}

#[test]
fn good_pods_that_cannot_be_labelled_again_are_taken_out_with_the_rest() {
    let count = sparing(&failing_behind_the_router(), "count");
    count.report();
    let second = count.calls.lock().unwrap().iter().rposition(|call| *call == "retain");
    let trouble = Trouble::Call(u32::try_from(second.unwrap()).unwrap());
    let sim = failing_behind_the_router();
    let report = sparing(&sim, "run-1")
        .with(trouble, Fault::Fails(FailureKind::Forbidden))
        .report();
    assert_eq!(report.outcome, StateName::Held);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("taken out of traffic, too")),
        "{:?}",
        report.notes
    );
    assert_traffic(&sim, &Disabled);
}

#[test]
fn pods_that_were_spared_and_fail_later_are_taken_out_with_the_rest() {
    let sim = stuck();
    sim.world().drifted = 1;
    sparing(&sim, "run-1").report();
    sim.world().health.insert("good".into(), failing());
    sim.world().drifted = 0;
    let report = Client::new(&sim, "run-2").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Held, ExitCode::HeldCheckFailed)
    );
    assert_traffic(&sim, &Disabled);
}

#[test]
fn an_operator_can_take_the_spared_pods_out_and_put_everything_back() {
    let sim = stuck();
    sim.world().drifted = 1;
    sparing(&sim, "run-1").report();
    by_hand(&sim, "op-1", TrafficAction::Disable);
    assert_traffic(&sim, &Disabled);
    by_hand(&sim, "op-2", TrafficAction::Enable);
    assert_traffic(&sim, &Enabled);
    assert_eq!(sim.world().memory.held, None);
}

#[test]
fn a_run_that_dies_at_any_port_call_is_resumed_with_the_good_pods_or_aborted_with_them() {
    let count = sparing(&stuck(), "count");
    count.report();
    for at in 0..count.calls_made() {
        for death in [Fault::DiesBefore, Fault::DiesAfter] {
            for aborts in [false, true] {
                let sim = stuck();
                if sparing(&sim, "run-1").with(Trouble::Call(at), death).run().is_some() {
                    continue;
                }
                let was = sim.world().traffic();
                let what = format!("{death:?} at call {at}, traffic {was:?}");
                if aborts {
                    Client::new(&sim, "run-2").abort();
                    let now = sim.world().traffic();
                    assert!(now == was || was == Enabled, "{what}: {now:?}");
                } else {
                    match sparing(&sim, "run-2").run_or_resume().unwrap() {
                        Ok(report) => assert_eq!(report.outcome, StateName::Done, "{what}: {:?}", report.failure),
                        Err(failure) => assert_eq!(failure.kind, FailureKind::Refused, "{what}: {failure}"),
                    }
                    assert_eq!(sim.world().traffic(), Enabled, "{what}");
                    assert_eq!(sim.world().records.len(), 3, "{what}");
                }
                assert_eq!(sim.world().violations, [] as [String; 0], "{what}");
            }
        }
    }
}

#[test]
fn one_good_pod_is_enough() {
    let sim = stuck();
    sim.world().is_stuck_beside("good", 1);
    let report = sparing(&sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
    assert_eq!(sim.world().spared.len(), 1);
}

#[test]
fn a_whole_model_that_is_out_is_not_said_to_serve() {
    let sim = crashed();
    sim.world().drifted = 1;
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Held);
    assert!(report.notes.iter().all(|note| !note.contains("go on serving")));
}

#[test]
fn a_run_spares_without_the_wish_what_the_one_before_spared_and_nothing_else() {
    let spares = |client: Client| tried(&client).spares.len();
    let resuming = |sim: &Sim| Client::new(sim, "run-2").asking(|request| request.resumes = true);
    let died = |client: Client| {
        let dead = client.with(Trouble::Every("stop"), Fault::DiesBefore);
        assert!(dead.run().is_none());
    };
    let sim = stuck();
    died(sparing(&sim, "run-1"));
    assert_traffic(&sim, &Enabled);
    assert_eq!(spares(resuming(&sim)), 2);
    let sim = stuck();
    died(Client::new(&sim, "run-1"));
    assert_eq!(spares(resuming(&sim)), 0);
    let sim = stuck();
    sim.world().drifted = 1;
    sparing(&sim, "run-1").report();
    assert_traffic(&sim, &Partial);
    let made = tried(&Client::new(&sim, "run-2"));
    assert_eq!(made.spares.len(), 3, "all pods of the target by now");
    assert_eq!(of_the_fence(&made).severity, Severity::Ok);
    for made in [made, tried(&Client::new(&stuck(), "run-1"))] {
        assert!(!made.preflight.findings.iter().any(is_forgotten), "{made:?}");
    }
}

#[test]
fn where_no_pod_is_bad_none_is_proposed_to_stay() {
    let sim = stuck();
    sim.world().pods.clear();
    let made = tried(&Client::new(&sim, "run-1"));
    assert_eq!(
        made.preflight.standing.as_ref().map(|standing| standing.good.len()),
        Some(2)
    );
    assert!(made.preflight.findings.iter().all(|finding| finding.subject != "fence"));
}

fn is_forgotten(finding: &Finding) -> bool {
    finding.message.contains("nothing remembers why")
}

#[test]
fn who_aborts_is_told_whether_good_pods_go_on() {
    for (run, words) in [
        (
            sparing as fn(&Sim, &str) -> Client,
            "all but the pods that were checked",
        ),
        (Client::new, "the model is held out of traffic"),
    ] {
        let sim = stuck();
        let dead = run(&sim, "run-1").with(Trouble::Every("rollback"), Fault::DiesBefore);
        assert!(dead.run().is_none());
        Client::new(&sim, "run-2").abort();
        let last = sim.world().journal.last().cloned().unwrap();
        assert!(
            matches!(&last.edge, RecordKind::Finished { summary, .. } if summary.contains(words)),
            "{last:?}"
        );
    }
}

#[test]
fn a_narrowed_model_that_nobody_remembers_is_checked_and_given_back_as_a_whole() {
    for is_good in [true, false] {
        let health = if is_good { Health::GOOD } else { failing() };
        let sim = stuck();
        sim.world().traffic = Some(Partial);
        sim.world().health.insert("good".into(), health);
        let client = Client::new(&sim, "run-1");
        let made = tried(&client);
        assert_eq!((made.spares.len(), &made.traffic.status), (2, &Enabled));
        assert!(made.preflight.findings.iter().any(is_forgotten));
        let report = client.report();
        if is_good {
            assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
            assert_traffic(&sim, &Enabled);
        } else {
            assert_eq!(refusal(&made), None, "they are taken out with the rest");
            assert_eq!(report.outcome, StateName::Held);
            assert_traffic(&sim, &Disabled);
        }
    }
}

#[test]
fn a_resumed_run_whose_good_pods_fail_takes_the_whole_model_out() {
    let sim = stuck();
    let dead = sparing(&sim, "run-1").with(Trouble::Every("stop"), Fault::DiesBefore);
    assert!(dead.run().is_none());
    sim.world().health.insert("good".into(), failing());
    let report = Client::new(&sim, "run-2").resume().unwrap().unwrap();
    assert_eq!(report.outcome, StateName::Held, "{:?}", report.failure);
    assert_traffic(&sim, &Disabled);
}
