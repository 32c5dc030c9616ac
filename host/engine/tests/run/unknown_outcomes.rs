//! What a run says when it does not know what is true.

use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::report::{ExitCode, RunReport, StateName};

use crate::sim::build::{crashed, crashed_with};
use crate::sim::{Client, Fault, Health, Sim, Trouble};

/// The number of the last call of this name in a run of this world.
fn last(world: fn() -> Sim, name: &str) -> u32 {
    let count = Client::new(&world(), "count");
    count.report();
    count.last_call(name)
}

fn unknown(report: &RunReport) -> &str {
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unknown, ExitCode::Unknown)
    );
    &report.states.last().unwrap().evidence[0]
}

#[test]
fn a_run_that_lost_its_lock_says_what_it_proved_before() {
    let at = last(crashed, "watch_ready");
    let report = Client::new(&crashed(), "run-1")
        .with(Trouble::Call(at), Fault::LosesLock)
        .report();
    assert_eq!(
        unknown(&report),
        "the lock was lost, so this run stopped changing things; the model was last proved to be out of traffic"
    );
}

#[test]
fn a_model_that_failed_in_traffic_and_cannot_be_taken_out_is_said_to_be_there() {
    let failing = || {
        crashed_with(Health {
            routed: Outcome::Fail,
            ..Health::GOOD
        })
    };
    let report = Client::new(&failing(), "run-1")
        .with(
            Trouble::Call(last(failing, "stop")),
            Fault::Fails(FailureKind::Unreachable),
        )
        .report();
    assert_eq!(
        unknown(&report),
        "the model may be in traffic although it is not proved to work"
    );
    assert!(report.notes.iter().any(|note| note == unknown(&report)));
    assert_eq!(
        report.next,
        [
            "kubectl vllm-rollback registry status llama -n prod",
            "take it out of traffic: kubectl vllm-rollback registry disable llama -n prod",
            "continue from what is there: kubectl vllm-rollback resume llama -n prod",
            "or end the run in a safe state: kubectl vllm-rollback abort llama -n prod",
            "kubectl vllm-rollback validate llama -n prod",
        ]
    );
}
