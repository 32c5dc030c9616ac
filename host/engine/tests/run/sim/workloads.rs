//! Helm's records and the release's objects.

use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::event::{Event, Observer};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::{NotReady, Releases, Workloads};
use vllm_rollback_engine::release::{
    HelmInfo, ReleaseRecord, ReleaseStatus, Revision, RevisionSummary, RollbackOrder, RollbackOutcome, RolledBack,
};
use vllm_rollback_engine::report::StateName;
use vllm_rollback_engine::workload::{
    Cause, CauseReason, Drained, Drift, EvidenceItem, GitOpsOwner, PodSplit, Preflight, Ready, ServingPod,
};
use vllm_rollback_objects::identity::Object;
use vllm_rollback_objects::manifest::Manifest;

use super::build;
use super::client::Client;
use super::state::{HelmEnd, World};

#[async_trait]
impl Releases for Client {
    async fn history(&self) -> Result<Vec<RevisionSummary>, Failure> {
        self.call("history", |world| {
            let summary = |r: &ReleaseRecord| RevisionSummary {
                revision: r.revision,
                status: r.status,
                record: format!("sh.helm.release.v1.llama.v{}", r.revision),
            };
            Ok(world.records.iter().map(summary).collect())
        })
        .await
    }

    async fn record(&self, revision: Revision) -> Result<ReleaseRecord, Failure> {
        self.call("record", |world| {
            let found = world.records.iter().find(|r| r.revision == revision).cloned();
            let written = found.map(|mut record| {
                record.manifest = world.yaml(&record.manifest);
                record
            });
            written.ok_or_else(|| Failure::new(FailureKind::NotFound, format!("no revision {revision}")))
        })
        .await
    }

    async fn helm(&self) -> Result<HelmInfo, Failure> {
        self.call("helm", |world| {
            let is_helm_3 = world.is_helm_3;
            Ok(HelmInfo {
                path: "helm".into(),
                version: if is_helm_3 { "v3.22.0" } else { "v4.3.1" }.into(),
                major: if is_helm_3 { 3 } else { 4 },
                has_description: true,
                has_server_side: !is_helm_3,
            })
        })
        .await
    }

    async fn rollback(&self, order: &RollbackOrder) -> RollbackOutcome {
        let run_id = self.request.run_id.clone();
        let called = self.call("rollback", |world| {
            world.changes(&run_id, "helm rollback");
            world.is_written_down(&run_id, StateName::RolledBack);
            world.orders.push(order.clone());
            helm_rollback(world, order)
        });
        match called.await {
            Ok(done) => RollbackOutcome::Recorded(Box::new(done)),
            Err(failure) => match failure.kind {
                FailureKind::Conflict => RollbackOutcome::Overtaken(failure),
                FailureKind::Internal | FailureKind::Unreachable => RollbackOutcome::Unknown(failure),
                _ => RollbackOutcome::NotRecorded(failure),
            },
        }
    }
}

/// Does what Helm does (helm v4.3 `pkg/action/rollback.go`), and ends as it may end.
fn helm_rollback(world: &mut World, order: &RollbackOrder) -> Result<RolledBack, Failure> {
    let end = world.helm_ends.pop_front().unwrap_or(HelmEnd::Deployed);
    if let HelmEnd::NoRecord(kind) = end {
        return Err(Failure::new(kind, "helm ended without a record"));
    }
    let target = world.records.iter().find(|r| r.revision == order.to).cloned();
    let Some(target) = target else {
        world
            .violations
            .push(format!("I7: revision {} does not exist", order.to));
        return Err(Failure::new(FailureKind::NotFound, "no such revision"));
    };
    let baseline = world.newest().manifest.clone();
    let number = world.newest().revision.0 + 1;
    let mut record = build::record(number, ReleaseStatus::Deployed, &target.manifest);
    record.rolled_back_to = Some(target.revision);
    record.description = format!("Rollback to {}", target.revision);
    record.last_deployed = Some(build::wall(world.milliseconds));
    record.hooks.clone_from(&target.hooks);
    match end {
        HelmEnd::FailedWithoutMark => {
            record.status = ReleaseStatus::Failed;
            record.rolled_back_to = None;
            record.description = "cannot patch \"llama\"".into();
            if let Some(old) = world.records.last_mut() {
                old.status = ReleaseStatus::Superseded;
            }
        }
        HelmEnd::FieldOfAnother => {
            record.status = ReleaseStatus::Failed;
            record.description = "conflict with \"kubectl-edit\" using apps/v1: .spec.replicas".into();
        }
        HelmEnd::Pending => record.status = ReleaseStatus::PendingRollback,
        HelmEnd::Deployed | HelmEnd::NoRecord(_) => {
            for old in &mut world.records {
                if old.status == ReleaseStatus::Deployed {
                    old.status = ReleaseStatus::Superseded;
                }
            }
            world.merge(&baseline, &target.manifest);
        }
    }
    world.records.push(record.clone());
    Ok(RolledBack {
        exit_code: Some(
            world
                .helm_exit_code
                .unwrap_or(i32::from(record.status != ReleaseStatus::Deployed)),
        ),
        record,
        stderr_tail: Vec::new(),
    })
}

#[async_trait]
impl Workloads for Client {
    async fn preflight(&self, _current: &ReleaseRecord, target: &ReleaseRecord) -> Result<Preflight, Failure> {
        let target = build::name(&target.manifest).to_owned();
        self.call("preflight", |world| {
            Ok(Preflight {
                findings: world.findings.clone(),
                startup_budget_seconds: 60,
                model: Some("llama".into()),
                services: vec!["llama".into()],
                gitops: world.gitops.clone(),
                standing: Some(world.split_pods(&target)).filter(|standing| !standing.good.is_empty()),
            })
        })
        .await
    }

    async fn suspend(&self, owner: &GitOpsOwner, _run_id: &str) -> Result<Vec<String>, Failure> {
        let run_id = self.request.run_id.clone();
        let what = owner.what.clone();
        self.call("suspend", |world| {
            world.changes(&run_id, "suspend");
            world.is_written_down(&run_id, StateName::Locked);
            world.suspensions += 1;
            Ok(vec![format!("{what} is suspended")])
        })
        .await
    }

    async fn live_objects(&self, record: &ReleaseRecord) -> Result<Vec<Object>, Failure> {
        let namespace = &record.release.namespace;
        self.call("live_objects", |world| {
            let live = Manifest::parse(&world.yaml(&world.live), namespace);
            Ok(live.expect("the world writes YAML").objects)
        })
        .await
    }

    async fn split_pods(&self, target: &ReleaseRecord) -> Result<PodSplit, Failure> {
        self.call("standing", |world| Ok(world.split_pods(build::name(&target.manifest))))
            .await
    }

    async fn drain(
        &self,
        _current: &ReleaseRecord,
        spared: &[ServingPod],
        _deadline: Duration,
        _observer: &dyn Observer,
    ) -> Result<Drained, Failure> {
        self.call("drain", |world| {
            world.drained_beside = spared.iter().map(|pod| pod.uid.clone()).collect();
            let count = world.late_requests;
            Ok(Drained {
                in_flight: Some(count),
                deadline_passed: count > 0,
                evidence: vec![format!("llama-1: {count} running, 0 waiting")],
            })
        })
        .await
    }

    async fn evidence(&self, _current: &ReleaseRecord) -> Vec<EvidenceItem> {
        let item = EvidenceItem {
            name: "pods.json".into(),
            content: "{}".into(),
        };
        self.call("evidence", |_| Ok(vec![item])).await.unwrap_or_default()
    }

    async fn watch_ready(
        &self,
        target: &ReleaseRecord,
        _deadline: Duration,
        observer: &dyn Observer,
    ) -> Result<Ready, NotReady> {
        let watched = self.call("watch_ready", |world| {
            let serves = world.live == build::name(&target.manifest) && world.pods.iter().all(|pod| pod.ready);
            Ok(if serves {
                Ok(world.pods.clone())
            } else {
                Err(world.causes.clone())
            })
        });
        match watched.await {
            Ok(Ok(pods)) => Ok(Ready {
                pods,
                evidence: vec!["Deployment/llama: 1/1 updated and available".into()],
            }),
            Ok(Err(causes)) if !causes.is_empty() => Err(NotReady::Caused(causes)),
            Ok(Err(_)) => {
                let cause = Cause {
                    reason: CauseReason::CrashLoop,
                    object: "Pod/llama-1 container vllm".into(),
                    message: "exits again and again, exit code 1".into(),
                    evidence: Vec::new(),
                    terminal: true,
                    next: vec!["kubectl logs llama-1 -n prod --previous".into()],
                };
                observer.event(Event::CauseSeen { cause: cause.clone() });
                Err(NotReady::Caused(vec![cause]))
            }
            Err(failure) => Err(NotReady::Failed(failure)),
        }
    }

    async fn drift(&self, _target: &ReleaseRecord) -> Result<Vec<Drift>, Failure> {
        self.call("drift", |world| {
            let drift = |path: String| Drift {
                object: "Deployment/llama".into(),
                path,
                wanted: None,
                live: Some("1".into()),
            };
            let leftover = "spec.template.spec.containers[vllm].env[LEFTOVER].value";
            let by_hand = (0..world.drifted).map(|number| drift(format!("metadata.labels[by-hand-{number}]")));
            let leftover = world.has_leftover.then(|| drift(leftover.into()));
            Ok(leftover.into_iter().chain(by_hand).collect())
        })
        .await
    }

    async fn serving_pods(&self, _target: &ReleaseRecord) -> Result<Vec<ServingPod>, Failure> {
        self.call("serving_pods", |world| Ok(world.pods.clone())).await
    }
}
