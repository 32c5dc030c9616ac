//! `pod-health`: every serving pod is running, ready and has not restarted, no other revision serves beside it, and no
//! log tells of a fatal error. Step 1 of the runbook's validation.

mod log;
mod pods;

use std::time::Duration;

use vllm_rollback_plugin::{LogOf, Outcome, PodStatus, prelude::*};

parameters! {
    /// What the operator may set.
    pub struct Parameters {
        /// A restart counts against a pod that is younger than this many seconds: it then happened since the rollback.
        restart_window_s: u64 = 600,
        /// Restarts that are accepted within the window.
        max_recent_restarts: u32 = 0,
        /// Milliseconds between the two looks at the pods; restarts must not rise between them.
        watch_ms: u32 = 0,
        /// Whether the containers' logs are searched for fatal errors.
        scan_logs: bool = true,
        /// Lines from the end of each log that are searched, at most 500.
        log_lines: u32 = 200,
    }
}

/// The check.
pub struct PodHealth;

impl Check for PodHealth {
    type Parameters = Parameters;

    fn manifest() -> Manifest {
        let description = "Every serving pod is running and ready, none restarted, no log tells of a fatal error";
        Manifest::new("pod-health", env!("CARGO_PKG_VERSION"), description)
            .per_release(Phase::Direct)
            .needs(&[Capability::Cluster])
            .default_timeout_ms(20_000)
    }

    fn run(world: &impl World, context: &Context, parameters: &Parameters) -> Finding {
        let before = read_pods(world)?;
        let picture = pods::Picture::new(&before);
        let mut verdict = picture.evaluate(context.revision, parameters)?;
        if parameters.scan_logs {
            for pod in &picture.serving {
                verdict = scan(world, pod, parameters, verdict)?;
            }
        }
        if parameters.watch_ms > 0 {
            world.sleep(Duration::from_millis(parameters.watch_ms.into()));
        }
        match pods::risen(&before, &read_pods(world)?) {
            Some(problem) => Err(Verdict {
                outcome: Outcome::Fail,
                summary: problem,
                ..verdict
            }),
            None => Ok(verdict),
        }
    }
}

fn read_pods(world: &impl World) -> Result<Vec<PodStatus>, Verdict> {
    world
        .pods()
        .map_err(|why| Verdict::error(format!("the pods cannot be read: {why}")))
}

/// Searches the logs of one pod's containers.
fn scan(world: &impl World, pod: &PodStatus, parameters: &Parameters, verdict: Verdict) -> Finding {
    for container in pod.containers.iter().filter(|container| container.state == "running") {
        let place = format!("{}/{}", pod.name, container.name);
        let text = world
            .log_tail(&pod.name, &container.name, LogOf::Current, parameters.log_lines)
            .map_err(|why| Verdict::inconclusive(format!("the log of {place} cannot be read: {why}")))?;
        if let Some(fatal) = log::fatal_line(&text) {
            return Err(Verdict::fail(format!("the log of {place} tells of {}", fatal.kind)).evidence(fatal.line));
        }
    }
    Ok(verdict)
}

vllm_rollback_plugin::export_check!(PodHealth);

#[cfg(test)]
mod tests {
    use vllm_rollback_plugin::testing::FakeWorld;
    use vllm_rollback_plugin::validate;

    use super::*;
    use crate::pods::tests::{pod, restarted};

    fn run(world: &FakeWorld) -> Verdict {
        let context = FakeWorld::context(Phase::Direct);
        PodHealth::run(world, &context, &Parameters::default()).unwrap_or_else(|verdict| verdict)
    }

    #[test]
    fn a_healthy_release_passes_with_its_pods_as_evidence() {
        let world = FakeWorld::new()
            .pods([Ok(vec![pod("a"), pod("b")])])
            .log_of("a", Ok("INFO ready"));
        let verdict = run(&world);
        assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
        assert_eq!(
            verdict.summary,
            "2 of 2 pods of revision 3 are running and ready, 0 restarts"
        );
        assert_eq!(verdict.evidence.len(), 2);
    }

    #[test]
    fn a_fatal_line_in_a_log_fails_and_is_shown() {
        let line = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB";
        let world = FakeWorld::new().pods([Ok(vec![pod("a")])]).log_of("a", Ok(line));
        let verdict = run(&world);
        assert_eq!(
            (verdict.outcome, verdict.evidence.as_slice()),
            (Outcome::Fail, [line.to_owned()].as_slice())
        );
        assert_eq!(verdict.summary, "the log of a/vllm tells of CUDA out of memory");
    }

    #[test]
    fn restarts_that_rise_while_we_look_fail() {
        let later = restarted(pod("a"), 1, 1);
        let verdict = run(&FakeWorld::new().pods([Ok(vec![pod("a")]), Ok(vec![later])]));
        assert_eq!(
            (verdict.outcome, verdict.summary.as_str()),
            (Outcome::Fail, "container vllm of a restarted during the check")
        );
    }

    #[test]
    fn a_log_that_cannot_be_read_tells_nothing() {
        let world = FakeWorld::new()
            .pods([Ok(vec![pod("a")])])
            .log_of("a", Err("forbidden"));
        assert_eq!(run(&world).outcome, Outcome::Inconclusive);
    }

    #[test]
    fn pods_that_cannot_be_read_are_an_error_of_the_check() {
        assert_eq!(
            run(&FakeWorld::new().pods([Err("no grant".to_owned())])).outcome,
            Outcome::Error
        );
    }

    #[test]
    fn a_parameter_of_another_check_is_refused_by_name() {
        let context = Context {
            parameters: r#"{"max_latency_ms":1}"#.to_owned(),
            ..FakeWorld::context(Phase::Direct)
        };
        let verdict = validate::<PodHealth>(&context);
        assert_eq!(verdict.outcome, Outcome::Error);
        assert!(
            verdict
                .summary
                .starts_with("parameters of pod-health: there is no `max_latency_ms`"),
            "{verdict:?}"
        );
    }
}
