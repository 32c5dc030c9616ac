//! The situations that the tool promises to handle, each with the end that it promises.

use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::event::Event;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::release::{ReleaseStatus, Revision};
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_engine::request::RollbackTarget;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_engine::workload::{Finding, Severity};
use vllm_rollback_engine::{plan, rollback};

use crate::reporting::evidence;
use crate::sim::build::{crashed, crashed_with, history, record};
use crate::sim::{Client, Fault, Health, HelmEnd, Sim, Trouble, finish};

fn refuses(subject: &str, message: &str) -> Finding {
    Finding {
        severity: Severity::Refuse,
        subject: subject.into(),
        message: message.into(),
        next: vec!["do something".into()],
    }
}

#[track_caller]
fn assert_untouched(sim: &Sim) {
    let world = sim.world();
    assert_eq!(world.orders, [], "Helm ran");
    assert_eq!(world.traffic(), TrafficStatus::Enabled);
    assert_eq!(world.memory.held, None);
    assert_eq!(world.lock, None);
}

#[test]
fn a_crash_looping_release_is_taken_back_and_every_state_has_its_proof() {
    let sim = crashed();
    let client = Client::new(&sim, "run-1");
    let report = client.report();
    assert_eq!((report.outcome, report.exit_code), (StateName::Done, ExitCode::Success));
    let names: Vec<_> = report.states.iter().map(|state| state.name.to_string()).collect();
    assert_eq!(
        names,
        [
            "planned",
            "locked",
            "fenced",
            "rolled-back",
            "ready",
            "validated",
            "unfenced",
            "confirmed",
            "done"
        ]
    );
    assert!(report.states.iter().all(|state| !state.evidence.is_empty()));
    assert_eq!(
        (report.from_revision, report.to_revision, report.new_revision),
        (Some(Revision(2)), Some(Revision(1)), Some(Revision(3)))
    );
    let world = sim.world();
    assert_eq!(world.traffic(), TrafficStatus::Enabled);
    assert_eq!((world.memory.held.clone(), world.lock.clone()), (None, None));
    assert_eq!(world.memory.rejected[0].revision, 2);
    assert_eq!(world.memory.runs[0].exit_code, Some(0));
    assert_eq!(report.artifacts, world.kept);
    assert!(
        world.orders[0]
            .description
            .starts_with("Rollback to 1: reason of run-1")
    );
    assert!(matches!(client.happened().last(), Some(Event::Finished { .. })));
}

#[test]
fn the_fence_comes_before_helm_and_the_checks_before_the_model_is_let_back() {
    let client = Client::new(&crashed(), "run-1");
    client.report();
    let calls = client.calls.lock().unwrap().clone();
    let at = |name| calls.iter().position(|call| *call == name).unwrap();
    let last = |name| calls.iter().rposition(|call| *call == name).unwrap();
    let order = [
        "acquire",
        "stop",
        "confirm_stopped",
        "drain",
        "rollback",
        "watch_ready",
        "drift",
        "checks",
        "resume_to",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{calls:?}");
    assert!(at("evidence") < at("rollback"), "evidence is of the bad revision");
    assert!(at("resume_to") < last("checks"), "the routed checks come last");
}

#[test]
fn a_second_run_refuses_to_go_to_the_bad_revision() {
    let sim = crashed();
    Client::new(&sim, "run-1").report();
    let failure = Client::new(&sim, "run-2").no_plan();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.what.contains("already runs revision 1's manifest"), "{failure}");
    assert!(
        failure
            .to_string()
            .contains("revision 2: revision 3 rolled back from it"),
        "{failure}"
    );
    assert!(
        failure.next.iter().any(|step| step.contains("validate llama -n prod")),
        "{failure:?}"
    );
    assert_eq!(sim.world().records.len(), 3);
}

#[test]
fn a_failing_direct_check_holds_the_model_and_nothing_is_enabled() {
    for outcome in [Outcome::Fail, Outcome::Inconclusive, Outcome::Error] {
        let sim = crashed_with(Health {
            direct: outcome,
            ..Health::GOOD
        });
        let report = Client::new(&sim, "run-1").report();
        assert_eq!(
            (report.outcome, report.exit_code),
            (StateName::Held, ExitCode::HeldCheckFailed)
        );
        let world = sim.world();
        assert_eq!((world.traffic(), world.openings), (TrafficStatus::Disabled, 0));
        let held = world.memory.held.clone().unwrap();
        assert_eq!(held.prior.status, TrafficStatus::Enabled);
        assert!(held.reason.contains("completion"), "{}", held.reason);
        assert!(
            report
                .next
                .iter()
                .any(|step| step.contains("registry enable llama -n prod"))
        );
    }
}

#[test]
fn a_gate_that_helm_opened_is_noticed_before_the_checks_and_closed_again() {
    for found in [TrafficStatus::Enabled, TrafficStatus::Disabled] {
        let sim = crashed_with(Health {
            opens_gate: true,
            ..Health::GOOD
        });
        sim.world().traffic = Some(found);
        let report = Client::new(&sim, "run-1").report();
        assert_eq!(
            (report.outcome, report.exit_code),
            (StateName::Held, ExitCode::HeldRollbackFailed)
        );
        let text = report.failure.unwrap().to_string();
        assert!(text.contains("the fence did not hold"), "{text}");
        assert_eq!(sim.world().traffic(), TrafficStatus::Disabled);
    }
}

#[test]
fn a_required_check_that_gives_no_verdict_did_not_pass() {
    let sim = crashed();
    sim.world().checks_are_silent = true;
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Held, ExitCode::HeldCheckFailed)
    );
    let text = report.failure.unwrap().to_string();
    assert!(text.contains("completion gave no verdict"), "{text}");
    assert_eq!(sim.world().openings, 0);
}

#[test]
fn a_failing_routed_check_takes_the_model_out_again() {
    let sim = crashed_with(Health {
        routed: Outcome::Fail,
        ..Health::GOOD
    });
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Held, ExitCode::HeldCheckFailed)
    );
    let world = sim.world();
    assert_eq!((world.traffic(), world.openings), (TrafficStatus::Disabled, 1));
    assert_eq!(report.traffic_after.unwrap().status, TrafficStatus::Disabled);
}

#[test]
fn a_target_that_does_not_get_ready_is_held_with_the_cause() {
    let sim = crashed_with(Health::CRASHING);
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Held, ExitCode::HeldRollbackFailed)
    );
    assert!(report.failure.unwrap().to_string().contains("exit code 1"));
    assert_eq!(report.causes.len(), 1);
    assert!(report.next[0].starts_with("kubectl logs"), "{:?}", report.next);
    assert_eq!(sim.world().traffic(), TrafficStatus::Disabled);
}

#[test]
fn a_field_that_a_failed_upgrade_left_keeps_the_model_out() {
    let sim = crashed_with(Health {
        leftover: true,
        ..Health::GOOD
    });
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.exit_code, ExitCode::HeldRollbackFailed);
    assert!(report.failure.unwrap().to_string().contains("LEFTOVER"));
    assert_eq!(sim.world().openings, 0);
}

#[test]
fn a_pod_that_restarts_while_it_is_checked_does_not_count_as_checked() {
    let sim = crashed_with(Health {
        restarts: true,
        ..Health::GOOD
    });
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.exit_code, ExitCode::HeldCheckFailed);
    assert!(report.failure.unwrap().to_string().contains("restarted"));
}

#[test]
fn a_revision_that_another_helm_makes_during_the_checks_is_told_and_nothing_is_let_in() {
    let sim = crashed();
    sim.world().during_checks = Some(|world| {
        let number = world.newest().revision.0 + 1;
        world.records.push(record(number, ReleaseStatus::Deployed, "other"));
    });
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.exit_code, ExitCode::HeldRollbackFailed);
    let failure = report.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Conflict);
    assert!(failure.what.starts_with("revision 4 (deployed) was made"), "{failure}");
    assert_eq!(sim.world().openings, 0);
}

#[test]
fn what_the_preflight_refuses_ends_before_anything_changes() {
    let sim = crashed();
    sim.world()
        .findings
        .push(refuses("gpu-room", "no node has a free nvidia.com/gpu"));
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    assert!(report.failure.unwrap().what.contains("nvidia.com/gpu"));
    assert_untouched(&sim);
}

#[test]
fn a_release_of_a_gitops_controller_is_refused_with_its_own_exit_code() {
    let sim = crashed();
    sim.world().findings.push(refuses("gpu-room", "no room"));
    sim.world().findings.push(refuses("gitops", "Flux owns the release"));
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.exit_code, ExitCode::GitOps);
    assert_untouched(&sim);
}

#[test]
fn without_a_required_check_at_the_pods_nothing_starts() {
    let sim = crashed();
    sim.world().direct_skipped = Some("switched off".into());
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    assert_untouched(&sim);
}

#[test]
fn a_registry_that_cannot_be_read_ends_before_anything_changes() {
    let sim = crashed();
    let client = Client::new(&sim, "run-1").with(Trouble::Every("read"), Fault::Fails(FailureKind::Refused));
    assert_eq!(client.no_plan().kind, FailureKind::Refused);
    assert_untouched(&sim);
}

#[test]
fn routed_checks_without_a_router_are_said_to_be_skipped() {
    let sim = crashed();
    sim.world().has_router = false;
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Done);
    let confirmed = evidence(&report, StateName::Confirmed);
    assert!(confirmed[0].contains("no router is known"), "{confirmed:?}");
}

#[test]
fn a_plan_that_is_no_longer_true_is_not_carried_out() {
    let sim = crashed();
    let client = Client::new(&sim, "run-1");
    let world = client.world();
    let old = finish(&client, plan(&world, &client.request)).unwrap().unwrap();
    Client::new(&sim, "run-2").report();
    let report = finish(&client, rollback(&world, &client.request, old)).unwrap();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Stale)
    );
    assert!(report.failure.unwrap().to_string().contains("at revision 3"));
    assert_eq!(sim.world().records.len(), 3);
}

#[test]
fn a_plan_for_an_enabled_model_is_stale_once_somebody_disabled_it() {
    let sim = crashed();
    let client = Client::new(&sim, "run-1");
    let world = client.world();
    let old = finish(&client, plan(&world, &client.request)).unwrap().unwrap();
    sim.world().traffic = Some(TrafficStatus::Disabled);
    let report = finish(&client, rollback(&world, &client.request, old)).unwrap();
    assert_eq!(report.exit_code, ExitCode::Stale);
}

#[test]
fn another_run_is_told_who_holds_the_lock_and_why() {
    let sim = crashed();
    sim.world().lock = Some(("run-0".into(), "first come".into()));
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Locked)
    );
    let text = report.failure.unwrap().to_string();
    assert!(text.contains("run-0") && text.contains("first come"), "{text}");
    assert_eq!(sim.world().lock.as_ref().unwrap().0, "run-0", "the lock is left alone");
}

#[test]
fn a_journal_that_cannot_be_written_stops_the_run_before_the_fence() {
    let sim = crashed();
    let report = Client::new(&sim, "run-1")
        .with(Trouble::Every("append"), Fault::Fails(FailureKind::External))
        .report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    assert_untouched(&sim);
}

#[test]
fn a_helm_that_makes_no_revision_leaves_the_model_held() {
    let sim = crashed();
    sim.world()
        .helm_ends
        .push_back(HelmEnd::NoRecord(FailureKind::External));
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Held, ExitCode::HeldRollbackFailed)
    );
    assert_eq!(report.new_revision, None);
    assert!(report.failure.unwrap().to_string().contains("no new revision"));
}

#[test]
fn a_helm_whose_answer_is_lost_is_looked_up_in_the_records() {
    let sim = crashed();
    let report = Client::new(&sim, "run-1")
        .with(Trouble::Every("rollback"), Fault::LosesAnswer)
        .report();
    assert_eq!(report.outcome, StateName::Done);
    assert!(report.notes.iter().any(|note| note.contains("could not be followed")));
    assert_eq!(sim.world().orders.len(), 1);
}

#[test]
fn an_interruption_before_the_fence_changes_nothing_and_after_it_holds_the_model() {
    let calls = Client::new(&crashed(), "count");
    calls.report();
    let total = calls.calls_made();
    let stop_at = calls.first_call("stop");
    for at in 0..total {
        let sim = crashed();
        let mut client = Client::new(&sim, "run-1");
        client.interrupt_at = Some(at);
        let report = client.report();
        let is_before = at <= stop_at;
        match report.outcome {
            StateName::Unchanged => {
                assert!(is_before, "call {at}");
                assert_eq!(report.exit_code, ExitCode::Refused);
                assert!(report.failure.unwrap().what.contains("interrupted"));
                assert_untouched(&sim);
            }
            StateName::Held => {
                assert!(!is_before, "call {at}");
                assert_eq!(report.exit_code, ExitCode::Unknown);
                assert_eq!(sim.world().traffic(), TrafficStatus::Disabled);
                assert!(report.next[0].contains("kubectl vllm-rollback resume llama -n prod"));
            }
            // Everything was done already.
            outcome => assert_eq!(outcome, StateName::Done, "call {at}"),
        }
    }
}

#[test]
fn an_explicit_revision_is_where_the_run_goes() {
    let sim = history(&[
        (ReleaseStatus::Superseded, "a"),
        (ReleaseStatus::Superseded, "b"),
        (ReleaseStatus::Deployed, "c"),
    ]);
    let client = Client::new(&sim, "run-1").asking(|request| request.target = RollbackTarget::Exact(Revision(1)));
    assert_eq!(client.report().to_revision, Some(Revision(1)));
    assert_eq!(sim.world().live, "a");
}
