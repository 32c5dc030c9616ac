//! `registry enable` and `registry disable`.

use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::report::{ExitCode, RunReport, StateName};
use vllm_rollback_engine::traffic::TrafficStatus::{self, Disabled, Enabled};
use vllm_rollback_engine::{TrafficWish, set_traffic};

use crate::sim::build::{crashed, crashed_with};
use crate::sim::{Client, Fault, Health, Sim, Trouble, UNMANAGED, finish};

fn operator(sim: &Sim, id: &str) -> Client {
    let mut client = Client::new(sim, id);
    client.is_by_operator = true;
    client
}

fn set(client: &Client, wish: TrafficWish) -> RunReport {
    finish(client, set_traffic(&client.world(), &client.request, wish)).unwrap()
}

fn state(sim: &Sim) -> (TrafficStatus, bool) {
    let world = sim.world();
    assert_eq!(world.violations, [] as [String; 0]);
    assert_eq!(world.lock, None, "the lock is given back");
    (world.traffic(), world.memory.held.is_some())
}

#[test]
fn what_an_operator_disables_a_rollback_leaves_disabled_until_the_operator_enables_it() {
    let sim = crashed();
    let report = set(&operator(&sim, "op-1"), TrafficWish::Disable);
    assert_eq!((report.outcome, report.exit_code), (StateName::Done, ExitCode::Success));
    assert_eq!(state(&sim), (Disabled, true));
    assert_eq!(Client::new(&sim, "run-1").report().outcome, StateName::Done);
    assert_eq!(state(&sim).0, Disabled);
    assert_eq!(
        set(&operator(&sim, "op-2"), TrafficWish::Enable).outcome,
        StateName::Done
    );
    assert_eq!(state(&sim), (Enabled, false));
}

#[test]
fn enabling_a_held_model_says_why_it_was_held_and_clears_the_hold() {
    let sim = crashed_with(Health {
        direct: Outcome::Fail,
        ..Health::GOOD
    });
    Client::new(&sim, "run-1").report();
    let report = set(&operator(&sim, "op-1"), TrafficWish::Enable);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("run-1") && note.contains("completion")),
        "{:?}",
        report.notes
    );
    assert_eq!(state(&sim), (Enabled, false));
}

#[test]
fn disabling_a_held_model_makes_it_the_operators_and_keeps_what_was_before() {
    let sim = crashed_with(Health::CRASHING);
    Client::new(&sim, "run-1").report();
    set(&operator(&sim, "op-1"), TrafficWish::Disable);
    let held = sim.world().memory.held.clone().unwrap();
    assert_eq!((held.run_id.as_str(), held.prior.status), ("op-1", Enabled));
}

#[test]
fn setting_what_is_set_already_changes_nothing() {
    let sim = crashed();
    let client = operator(&sim, "op-1");
    assert_eq!(set(&client, TrafficWish::Enable).outcome, StateName::Done);
    assert!(!client.calls.lock().unwrap().contains(&"resume_to"));
    assert_eq!(state(&sim), (Enabled, false));
}

#[test]
fn a_registry_that_says_no_leaves_all_as_it_was() {
    let sim = crashed();
    let client = operator(&sim, "op-1").with(Trouble::Every("stop"), Fault::Fails(FailureKind::Forbidden));
    let report = set(&client, TrafficWish::Disable);
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    assert_eq!(state(&sim).0, Enabled);
}

#[test]
fn a_change_that_cannot_be_proved_is_unknown() {
    let sim = crashed();
    let client = operator(&sim, "op-1").with(Trouble::Every("confirm_stopped"), Fault::Fails(FailureKind::Timeout));
    let report = set(&client, TrafficWish::Disable);
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unknown, ExitCode::Unknown)
    );
    assert!(
        report
            .failure
            .unwrap()
            .to_string()
            .contains("the registry says disabled now")
    );
}

#[test]
fn a_registry_that_leaves_traffic_alone_does_not_claim_that_it_disabled_a_model() {
    let sim = crashed();
    sim.world().traffic = Some(TrafficStatus::Other(UNMANAGED.into()));
    for wish in [TrafficWish::Disable, TrafficWish::Enable] {
        let report = set(&operator(&sim, "op-1"), wish);
        assert_eq!(
            (report.outcome, report.exit_code),
            (StateName::Unchanged, ExitCode::Refused)
        );
    }
}

#[test]
fn a_locked_release_is_left_to_the_run_that_holds_it() {
    let sim = crashed();
    sim.world().lock = Some(("run-0".into(), "busy".into()));
    let report = set(&operator(&sim, "op-1"), TrafficWish::Disable);
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Locked)
    );
}
