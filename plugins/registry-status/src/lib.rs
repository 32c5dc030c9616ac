//! `registry-status`: after the model was let back into traffic, the registry holds the state that the run wants.
//! Step 4 of the runbook's validation.

use vllm_rollback_plugin::{RegistryState, prelude::*};

/// The check.
pub struct RegistryStatus;

impl Check for RegistryStatus {
    type Parameters = NoParameters;

    fn manifest() -> Manifest {
        let description = "The traffic registry holds the state that the rollback put back";
        Manifest::new("registry-status", env!("CARGO_PKG_VERSION"), description)
            .per_release(Phase::Routed)
            .needs(&[Capability::Registry])
            .default_timeout_ms(10_000)
    }

    fn run(world: &impl World, _context: &Context, _parameters: &NoParameters) -> Finding {
        let state = world
            .registry()
            .map_err(|why| Verdict::inconclusive(format!("the registry cannot be read: {why}")))?;
        Ok(evaluate(&state))
    }
}

fn evaluate(state: &RegistryState) -> Verdict {
    let RegistryState {
        driver,
        status,
        expected,
        endpoint,
        evidence,
        ..
    } = state;
    let verdict = match (status == expected, driver.as_str()) {
        (true, "none") => Verdict::pass("no registry is configured: nothing was verified here"),
        (true, _) => Verdict::pass(format!("registry {driver} says {status}, as it should")),
        (false, _) => Verdict::fail(format!("registry {driver} says {status}, it should say {expected}")),
    };
    let verdict = verdict.evidence_lines(evidence);
    match endpoint {
        Some(endpoint) => verdict.evidence(format!("traffic goes to {endpoint}")),
        None => verdict,
    }
}

vllm_rollback_plugin::export_check!(RegistryStatus);

#[cfg(test)]
mod tests {
    use vllm_rollback_plugin::Outcome;
    use vllm_rollback_plugin::testing::FakeWorld;

    use super::*;

    fn state(driver: &str, status: &str, expected: &str) -> RegistryState {
        RegistryState {
            driver: driver.to_owned(),
            status: status.to_owned(),
            expected: expected.to_owned(),
            endpoint: Some("demo.default:8000".to_owned()),
            evidence: vec!["row m/production".to_owned()],
            extra: Vec::new(),
        }
    }

    #[test]
    fn the_expected_state_passes_with_where_it_was_read() {
        let verdict = evaluate(&state("postgres", "ready", "ready"));
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str()),
            (Outcome::Pass, "registry postgres says ready, as it should")
        );
        assert_eq!(
            verdict.evidence,
            ["row m/production", "traffic goes to demo.default:8000"]
        );
    }

    #[test]
    fn another_state_fails_and_both_are_named() {
        let verdict = evaluate(&state("postgres", "disabled", "ready"));
        assert_eq!(verdict.outcome, Outcome::Fail);
        assert_eq!(verdict.summary, "registry postgres says disabled, it should say ready");
    }

    #[test]
    fn a_model_that_is_meant_to_stay_disabled_passes_while_it_is() {
        assert_eq!(
            evaluate(&state("service", "disabled", "disabled")).outcome,
            Outcome::Pass
        );
    }

    #[test]
    fn without_a_registry_the_check_says_that_nothing_was_verified() {
        let verdict = evaluate(&state("none", "enabled", "enabled"));
        assert_eq!(verdict.summary, "no registry is configured: nothing was verified here");
        assert_eq!(evaluate(&state("none", "enabled", "disabled")).outcome, Outcome::Fail);
    }

    #[test]
    fn a_registry_that_cannot_be_read_tells_nothing() {
        let world = FakeWorld::new().registry(Err("connection refused".to_owned()));
        let verdict = RegistryStatus::run(&world, &FakeWorld::context(Phase::Routed), &NoParameters {}).unwrap_err();
        assert_eq!(verdict.outcome, Outcome::Inconclusive);
        assert_eq!(verdict.summary, "the registry cannot be read: connection refused");
    }
}
