//! `registry enable` and `registry disable`.

use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::journal::RecordKind;
use vllm_rollback_engine::report::{ExitCode, RunReport, StateName};
use vllm_rollback_engine::traffic::TrafficStatus::{self, Disabled, Enabled};
use vllm_rollback_engine::{TrafficAction, set_traffic};

use crate::reporting::evidence;
use crate::sim::build::{crashed, crashed_with, traffic};
use crate::sim::{Client, Fault, Health, Sim, Trouble, UNMANAGED, finish};

fn operator(sim: &Sim, id: &str) -> Client {
    let mut client = Client::new(sim, id);
    client.is_by_operator = true;
    client
}

fn set(client: &Client, action: TrafficAction) -> RunReport {
    finish(client, set_traffic(&client.world(), &client.request, action)).unwrap()
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
    let report = set(&operator(&sim, "op-1"), TrafficAction::Disable);
    assert_eq!((report.outcome, report.exit_code), (StateName::Done, ExitCode::Success));
    assert_eq!(state(&sim), (Disabled, true));
    assert_eq!(Client::new(&sim, "run-1").report().outcome, StateName::Done);
    assert_eq!(state(&sim).0, Disabled);
    assert_eq!(
        set(&operator(&sim, "op-2"), TrafficAction::Enable).outcome,
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
    let report = set(&operator(&sim, "op-1"), TrafficAction::Enable);
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
    set(&operator(&sim, "op-1"), TrafficAction::Disable);
    let held = sim.world().memory.held.clone().unwrap();
    assert_eq!((held.run_id.as_str(), held.prior.status), ("op-1", Enabled));
}

#[test]
fn setting_what_is_set_already_changes_nothing() {
    let sim = crashed();
    let client = operator(&sim, "op-1");
    assert_eq!(set(&client, TrafficAction::Enable).outcome, StateName::Done);
    assert!(!client.calls.lock().unwrap().contains(&"resume_to"));
    assert_eq!(state(&sim), (Enabled, false));
}

#[test]
fn a_registry_that_says_no_leaves_all_as_it_was() {
    let sim = crashed();
    let client = operator(&sim, "op-1").with(Trouble::Every("stop"), Fault::Fails(FailureKind::Forbidden));
    let report = set(&client, TrafficAction::Disable);
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
    let report = set(&client, TrafficAction::Disable);
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
    for action in [TrafficAction::Disable, TrafficAction::Enable] {
        let report = set(&operator(&sim, "op-1"), action);
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
    let report = set(&operator(&sim, "op-1"), TrafficAction::Disable);
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Locked)
    );
}

/// A model that is out of traffic, held by a run that found this.
fn held(found: TrafficStatus, driver: &str, is_half_out: bool) -> Sim {
    let sim = crashed_with(Health::CRASHING);
    Client::new(&sim, "run-1").report();
    {
        let mut world = sim.world();
        let prior = &mut world.memory.held.as_mut().unwrap().prior;
        *prior = traffic(found, is_half_out);
        prior.driver = driver.into();
    }
    sim
}

#[test]
fn enabling_gives_back_exactly_what_a_run_found_where_that_was_traffic_of_the_same_driver() {
    // The token says of one gate that it was closed before.
    for (found, driver, is_given_back) in [
        (Enabled, "sim", true),
        (Enabled, "other", false),
        (Disabled, "sim", false),
    ] {
        let sim = held(found, driver, true);
        assert_eq!(
            set(&operator(&sim, "op-1"), TrafficAction::Enable).outcome,
            StateName::Done
        );
        assert_eq!(state(&sim), (Enabled, false));
        assert_eq!(sim.world().is_half_out, is_given_back, "{driver}");
    }
}

#[test]
fn a_model_that_is_enabled_already_is_wanted_as_it_is() {
    let sim = held(Enabled, "sim", false);
    sim.world().traffic = Some(Enabled);
    sim.world().is_half_out = true;
    set(&operator(&sim, "op-1"), TrafficAction::Enable);
    let world = sim.world();
    let wanted = world.journal.iter().rev().find_map(|entry| match &entry.edge {
        RecordKind::Intent { key, data } if key == "enable op-1" => Some(data["wanted"]["token"]["half"].clone()),
        _ => None,
    });
    assert_eq!(wanted, Some(true.into()));
}

#[test]
fn disabling_a_model_that_got_traffic_since_keeps_what_it_was_a_moment_ago() {
    let sim = held(Enabled, "sim", true);
    sim.world().traffic = Some(Enabled);
    sim.world().is_half_out = false;
    set(&operator(&sim, "op-1"), TrafficAction::Disable);
    let world = sim.world();
    assert_eq!(
        world.memory.held.as_ref().unwrap().prior,
        traffic(Enabled, false),
        "not what the run found long before"
    );
}

#[test]
fn what_a_run_holds_stays_out_also_where_the_driver_itself_could_not_say_how_it_was() {
    let sim = held(Enabled, "sim", false);
    sim.world().traffic = Some(TrafficStatus::Other(UNMANAGED.into()));
    let report = set(&operator(&sim, "op-1"), TrafficAction::Disable);
    assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
    let prior = sim.world().memory.held.as_ref().unwrap().prior.clone();
    assert_eq!(prior, traffic(Enabled, false));
}

#[test]
fn a_change_that_was_interrupted_is_unknown_even_where_the_registry_looks_untouched() {
    let count = operator(&crashed(), "count");
    set(&count, TrafficAction::Disable);
    let stop = count.first_call("stop");
    let sim = crashed();
    let mut client = operator(&sim, "op-1");
    client.interrupt_at = Some(stop + 1);
    let report = set(&client, TrafficAction::Disable);
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unknown, ExitCode::Unknown)
    );
    assert!(
        report
            .next
            .iter()
            .any(|step| step.contains("registry status llama -n prod"))
    );
}

#[test]
fn what_the_operator_is_told_after_a_change() {
    let sim = crashed();
    let report = set(&operator(&sim, "op-1"), TrafficAction::Disable);
    let fenced = evidence(&report, StateName::Fenced);
    assert_eq!(fenced, ["no endpoint"]);
    assert_eq!(report.next, ["kubectl vllm-rollback registry enable llama -n prod"]);
    assert_eq!(report.traffic_after.unwrap().status, Disabled);
    assert_eq!(sim.world().memory.held.as_ref().unwrap().reason, "reason of op-1");
    let again = set(&operator(&sim, "op-2"), TrafficAction::Disable);
    assert!(
        again.notes.contains(&"the model was disabled already".to_owned()),
        "{:?}",
        again.notes
    );
    let report = set(&operator(&sim, "op-3"), TrafficAction::Enable);
    let unfenced = evidence(&report, StateName::Unfenced);
    assert_eq!(unfenced, ["as before: enabled"]);
    assert!(report.next[0].contains("no check ran"), "{:?}", report.next);
    let finished = sim.world().journal.last().cloned().unwrap();
    assert!(
        matches!(&finished.edge, RecordKind::Finished { summary, .. } if summary == "the model is in traffic"),
        "{finished:?}"
    );
    let again = set(&operator(&sim, "op-4"), TrafficAction::Enable);
    assert!(
        again.notes.contains(&"the model was enabled already".to_owned()),
        "{:?}",
        again.notes
    );
}

#[test]
fn a_hold_that_was_written_ahead_of_a_stop_that_never_came_is_taken_back() {
    let count = operator(&crashed(), "count");
    set(&count, TrafficAction::Disable);
    let at = Trouble::Call(count.first_call("remember"));
    let sim = crashed();
    let client = operator(&sim, "op-1").with(at, Fault::LosesAnswer);
    assert_eq!(set(&client, TrafficAction::Disable).outcome, StateName::Unchanged);
    assert_eq!(state(&sim), (Enabled, false));
}

#[test]
fn disabling_half_of_the_gates_is_put_back_or_not_called_unchanged() {
    for undoes in [true, false] {
        let sim = crashed();
        sim.world().halfway = 1;
        sim.world().undoes = undoes;
        let report = set(&operator(&sim, "op-1"), TrafficAction::Disable);
        let expected = if undoes {
            (StateName::Unchanged, ExitCode::Refused)
        } else {
            (StateName::Unknown, ExitCode::Unknown)
        };
        assert_eq!((report.outcome, report.exit_code), expected);
        assert_eq!((state(&sim).0, sim.world().is_half_out), (Enabled, !undoes));
        set(&operator(&sim, "op-2"), TrafficAction::Disable);
        assert_eq!(state(&sim).0, Disabled);
    }
}
