//! What a status says beyond what was read: gates that nobody remembers, and the command that helps most.

use vllm_rollback_engine::journal::{RunState, TrafficHold};
use vllm_rollback_engine::resume::held_by_a_run;
use vllm_rollback_engine::traffic::TrafficStatus;

use super::Status;

/// Lists what to type next, the command that helps most first. `command` puts a verb into the operator's words.
pub fn next_steps(status: &Status, memory: &RunState, command: impl Fn(&str) -> String) -> Vec<String> {
    let step = |verb: &str, what: &str| format!("{}    # {what}", command(verb));
    if status.unfinished.is_some() {
        return vec![
            step("resume", "finishes the run that was cut off"),
            step("abort", "ends it in a safe state"),
        ];
    }
    let traffic = status.traffic.as_ref().map(|traffic| &traffic.status);
    let is_out = traffic.is_some_and(|status| *status != TrafficStatus::Enabled);
    let all_ready = !status.pods.is_empty() && status.pods.iter().all(|pod| pod.ready);
    let mut next = Vec::new();
    // A rollback gives back what a run took away, and not what an operator's hand did.
    if is_out && held_by_a_run(memory).is_some() {
        next.push(step("rollback", "brings the model back once it answers"));
    }
    if !status.warnings.is_empty() && !is_out {
        next.push(format!(
            "{} --registry service    # opens the gates",
            command("registry enable")
        ));
    }
    if is_out {
        next.push(step("validate", "does it answer now?"));
        next.push(step("registry enable", "lets clients reach it as it is"));
    } else if !all_ready && status.last_good.is_some() {
        next.push(step("plan", "what a rollback would do"));
    } else {
        next.push(step("validate", "does it answer?"));
    }
    next
}

/// Warns of gates that no run and no operator is remembered to hold: somebody closed them by hand, or what was remembered is gone.
pub fn forgotten_gates(gates: &[(String, String)], memory: &RunState) -> Vec<String> {
    let is_held = |held: &TrafficHold| held.prior.driver.split(',').any(|driver| driver == "service");
    if memory.held.as_ref().is_some_and(is_held) {
        return Vec::new();
    }
    let warning = |(service, gate): &(String, String)| {
        format!(
            "the gate of Service/{service} is closed ({gate}), and nothing remembers why: no client comes through it"
        )
    };
    gates.iter().map(warning).collect()
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::release::Revision;
    use vllm_rollback_engine::traffic::TrafficState;

    use super::*;
    use crate::fixtures;

    fn steps(status: &Status, memory: &RunState) -> Vec<String> {
        let typed = next_steps(status, memory, str::to_owned);
        typed
            .iter()
            .filter_map(|line| line.split("    #").next().map(str::to_owned))
            .collect()
    }

    fn held() -> TrafficHold {
        TrafficHold {
            run_id: "run-1".into(),
            since: String::new(),
            reason: String::new(),
            prior: fixtures::traffic(TrafficStatus::Enabled),
        }
    }

    #[test]
    fn a_run_that_was_cut_off_is_finished_or_ended_before_anything_else() {
        let mut status = fixtures::status();
        status.unfinished = Some("run-1 did not end".into());
        assert_eq!(steps(&status, &RunState::default()), ["resume", "abort"]);
    }

    #[test]
    fn a_model_out_of_traffic_is_validated_or_let_in_and_rolled_back_only_where_a_run_took_it_out() {
        let mut status = fixtures::status();
        status.traffic = Some(fixtures::traffic(TrafficStatus::Disabled));
        let by_hand = RunState {
            held: Some(held()),
            ..RunState::default()
        };
        assert_eq!(steps(&status, &by_hand), ["validate", "registry enable"]);
        let by_run = RunState {
            runs: vec![fixtures::run_summary("run-1")],
            ..by_hand
        };
        assert_eq!(steps(&status, &by_run), ["rollback", "validate", "registry enable"]);
    }

    #[test]
    fn a_model_in_traffic_is_planned_back_while_its_pods_are_not_ready_and_validated_otherwise() {
        let mut status = fixtures::status();
        status.traffic = Some(fixtures::traffic(TrafficStatus::Enabled));
        status.last_good = Some(Revision(1));
        assert_eq!(steps(&status, &RunState::default()), ["plan"]);
        status.last_good = None;
        status.warnings = vec!["the gate of Service/llama is closed".into()];
        assert_eq!(
            steps(&status, &RunState::default()),
            ["registry enable --registry service", "validate"]
        );
    }

    #[test]
    fn a_closed_gate_that_nobody_remembers_is_told() {
        let gates = [("llama".to_owned(), "closed".to_owned())];
        let held = |driver: &str| RunState {
            held: Some(TrafficHold {
                run_id: "run-1".into(),
                since: String::new(),
                reason: String::new(),
                prior: TrafficState {
                    driver: driver.into(),
                    status: TrafficStatus::Enabled,
                    token: serde_json::Value::Null,
                    endpoint: None,
                    evidence: Vec::new(),
                },
            }),
            ..RunState::default()
        };
        assert_eq!(forgotten_gates(&gates, &RunState::default()).len(), 1);
        assert_eq!(forgotten_gates(&gates, &held("postgres")).len(), 1);
        assert_eq!(forgotten_gates(&gates, &held("postgres,service")).len(), 0);
        assert_eq!(forgotten_gates(&[], &RunState::default()).len(), 0);
    }
}
