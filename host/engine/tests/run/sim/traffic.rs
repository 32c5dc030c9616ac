//! The registry and the checks.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::check::{CheckContext, CheckSpec, Outcome, Phase, Verdict};
use vllm_rollback_engine::event::{Event, Observer};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::{Checks, Registry};
use vllm_rollback_engine::report::StateName;
use vllm_rollback_engine::traffic::{Keep, Stop, TrafficState, TrafficStatus};
use vllm_rollback_engine::workload::ServingPod;

use super::build;
use super::client::Client;

#[async_trait]
impl Registry for Client {
    fn driver(&self) -> &'static str {
        "sim"
    }

    fn needs_client_side_rollback(&self) -> bool {
        true
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        self.call("read", |world| Ok(build::traffic(world.traffic(), world.is_half_out)))
            .await
    }

    async fn assert_can_retain(&self) -> Result<(), Failure> {
        self.call("assert_can_retain", |world| match world.can_spare {
            true => Ok(()),
            false => Err(Failure::new(FailureKind::Refused, "sim takes the whole model out")),
        })
        .await
    }

    async fn retain(&self, pods: &[ServingPod]) -> Result<Vec<String>, Failure> {
        let run_id = self.request.run_id.clone();
        let uids: BTreeSet<String> = pods.iter().map(|pod| pod.uid.clone()).collect();
        self.call("retain", |world| {
            world.changes(&run_id, "retain");
            world.is_written_down(&run_id, StateName::Fenced);
            world.are_labelled = !uids.is_empty();
            world.spared = uids;
            Ok(vec!["good pods stay".into()])
        })
        .await
    }

    async fn stop(&self, stop: &Stop<'_>) -> Result<(), WriteError> {
        let run_id = self.request.run_id.clone();
        let keeps = stop.keep == Keep::RetainedPods;
        self.call("stop", |world| {
            world.changes(&run_id, "stop");
            world.is_written_down(&run_id, StateName::Fenced);
            if world.traffic() == TrafficStatus::Enabled {
                world.is_half_out = true;
                if world.halfway > 0 {
                    world.halfway -= 1;
                    return Err(Failure::new(FailureKind::Unreachable, "the second gate gave no answer"));
                }
                if keeps && world.are_labelled {
                    world.narrows();
                } else {
                    world.traffic = Some(TrafficStatus::Disabled);
                }
            } else if world.traffic() == TrafficStatus::Partial && !keeps {
                world.traffic = Some(TrafficStatus::Disabled);
            }
            Ok(())
        })
        .await
        .map_err(outcome)
    }

    async fn revert_partial_stop(&self, found: &TrafficState) -> Result<bool, WriteError> {
        let run_id = self.request.run_id.clone();
        self.call("undo_stop", |world| {
            if !world.undoes {
                return Ok(false);
            }
            world.changes(&run_id, "undo");
            world.is_written_down(&run_id, StateName::Fenced);
            world.traffic = Some(found.status.clone());
            world.is_half_out = found.token["half"] == true;
            Ok(true)
        })
        .await
        .map_err(outcome)
    }

    async fn confirm_stopped(&self, stop: &Stop<'_>, _deadline: Duration) -> Result<Vec<String>, Failure> {
        let keeps = stop.keep == Keep::RetainedPods;
        self.call("confirm_stopped", |world| match world.traffic() {
            TrafficStatus::Partial if !keeps => Err(Failure::new(FailureKind::Timeout, "some pods still get traffic")),
            TrafficStatus::Enabled => Err(Failure::new(FailureKind::Timeout, "traffic still flows")),
            _ => Ok(vec!["no endpoint".into()]),
        })
        .await
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        let run_id = self.request.run_id.clone();
        let is_by_operator = self.is_by_operator;
        self.call("resume_to", |world| {
            world.changes(&run_id, "resume");
            world.is_written_down(&run_id, StateName::Unfenced);
            if prior.status == TrafficStatus::Enabled && !is_by_operator {
                world.lets_in();
            }
            world.are_labelled &= prior.status != TrafficStatus::Enabled;
            world.traffic = Some(prior.status.clone());
            world.is_half_out = prior.token["half"] == true;
            Ok(())
        })
        .await
        .map_err(outcome)
    }

    fn enabled(&self, now: &TrafficState) -> Result<TrafficState, Failure> {
        match &now.status {
            TrafficStatus::Other(word) if word == UNMANAGED => {
                Err(Failure::new(FailureKind::Refused, "this registry leaves traffic alone"))
            }
            _ => Ok(build::traffic(TrafficStatus::Enabled, false)),
        }
    }

    async fn confirm_resumed(&self, prior: &TrafficState, _deadline: Duration) -> Result<Vec<String>, Failure> {
        self.call("confirm_resumed", |world| {
            if world.traffic() == prior.status {
                Ok(vec![format!("as before: {}", prior.status.as_str())])
            } else {
                Err(Failure::new(FailureKind::Timeout, "the registry does not follow"))
            }
        })
        .await
    }
}

/// Turns a failure into what a real registry would answer with: a no is one for good.
fn outcome(failure: Failure) -> WriteError {
    match failure.kind {
        FailureKind::Refused
        | FailureKind::Forbidden
        | FailureKind::Conflict
        | FailureKind::NotFound
        | FailureKind::Invalid
        | FailureKind::Usage => WriteError::Rejected(failure),
        _ => WriteError::Unknown(failure),
    }
}

/// The word of a registry that leaves traffic alone.
pub(crate) const UNMANAGED: &str = "unmanaged";

#[async_trait]
impl Checks for Client {
    async fn specs(&self) -> Result<Vec<CheckSpec>, Failure> {
        self.call("specs", |world| {
            let no_router = (!world.has_router).then(|| "no router is known".to_owned());
            let mut specs = vec![
                build::spec("completion", Phase::Direct, world.direct_skipped.clone()),
                build::spec("router-e2e", Phase::Routed, no_router),
            ];
            specs.extend(world.optional.map(|_| CheckSpec {
                required: false,
                ..build::spec("style", Phase::Direct, None)
            }));
            Ok(specs)
        })
        .await
    }

    async fn run(&self, phase: Phase, context: &CheckContext, observer: &dyn Observer) -> Vec<Verdict> {
        let ran = self.call("checks", |world| {
            world.contexts.push((phase, context.clone()));
            if world.checks_are_silent {
                return Ok(Vec::new());
            }
            // What the pods run, which is not what was applied last while an upgrade is stuck.
            let hash = context.pods.first().map(|pod| pod.revision_hash.clone());
            let runs = hash.as_deref().and_then(|hash| hash.strip_prefix("hash-"));
            let health = world.health_of(runs.unwrap_or(&world.live.clone()));
            let outcome = match phase {
                Phase::Direct => health.direct,
                _ if !world.has_router => return Ok(Vec::new()),
                _ => health.routed,
            };
            let mut verdicts = vec![build::verdict(phase, outcome)];
            if phase == Phase::Direct {
                verdicts.extend(world.optional.map(|outcome| Verdict {
                    check: "style".into(),
                    required: false,
                    ..build::verdict(phase, outcome)
                }));
                let passed = outcome == Outcome::Pass;
                for pod in &context.pods {
                    if passed {
                        world.proved.insert(pod.uid.clone());
                    } else {
                        world.proved.remove(&pod.uid);
                    }
                }
                let truth = &mut *world;
                for pod in truth.pods.iter_mut().chain(&mut truth.old) {
                    pod.restarts += u32::from(health.restarts);
                }
                if health.restarts {
                    world.proved.clear();
                }
                if let Some(happens) = world.during_checks {
                    happens(world);
                }
            } else {
                world.routed_failed = outcome != Outcome::Pass;
            }
            Ok(verdicts)
        });
        // A check that cannot run is a verdict, never silence.
        let verdicts = ran
            .await
            .unwrap_or_else(|_| vec![build::verdict(phase, Outcome::Error)]);
        for verdict in &verdicts {
            observer.event(Event::Checked {
                verdict: verdict.clone(),
            });
        }
        verdicts
    }
}
