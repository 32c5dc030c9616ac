//! The engine's port for checks: which run in a phase, on what, and what became of them.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use tokio::task::JoinSet;
use vllm_rollback_engine::check::{CheckContext, CheckSpec, Phase, Verdict};
use vllm_rollback_engine::event::{Event, Observer};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Checks;
use vllm_rollback_engine::ports::checks::{ClusterView, PodTargets, TrafficView};
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types as abi;

use crate::capability::Capability;
use crate::egress::Client;
use crate::host::{Loaded, PluginHost};
use crate::instance::{CheckTarget, HostServices, RouterEndpoint};
use crate::manifest::{PHASES, Scope};
use crate::runtime::Runtime;
use crate::source::Enforcement;
use crate::verdict::VerdictHeader;

/// Runs the checks of a [`PluginHost`] against a release.
pub struct CheckRunner {
    host: PluginHost,
    services: HostServices,
}

/// Way to one verdict: a run, or the verdict where it is known without one.
type Work = Result<Job, Box<Verdict>>;

/// One run of one check.
struct Job {
    check: Arc<Loaded>,
    runtime: Arc<Runtime>,
    target: CheckTarget,
}

impl CheckRunner {
    /// Puts checks and the world together.
    pub fn new(
        host: PluginHost,
        pods: Arc<dyn PodTargets>,
        cluster: Arc<dyn ClusterView>,
        traffic: Arc<dyn TrafficView>,
        router: Option<RouterEndpoint>,
    ) -> Self {
        Self {
            host,
            services: HostServices {
                pods,
                cluster,
                traffic,
                router,
                client: Client::new(),
            },
        }
    }

    /// Reason why a check will not run, if it will not. A built-in check or an advisory one is left out, and said to be; a check
    /// that the operator requires is not left out silently.
    fn skipped(&self, check: &Loaded) -> Result<Option<String>, Failure> {
        if self.services.router.is_some() || !check.manifest.needs.contains(&Capability::Router) {
            return Ok(None);
        }
        if check.builtin || check.enforcement == Enforcement::Advisory {
            return Ok(Some("no router is known".to_owned()));
        }
        let what = format!(
            "plugin {} needs the router, and no router is known",
            check.manifest.name
        );
        Err(Failure::refused(what)
            .next("say where the router is, --router-url or --router-service, or leave the plugin out"))
    }

    async fn work(&self, phase: Phase, context: &CheckContext) -> Result<Vec<Work>, Failure> {
        let (checks, _) = self.host.ready().await?;
        let context = Arc::new(context.clone());
        let mut work = Vec::new();
        for check in checks.iter().filter(|check| check.manifest.phase == phase) {
            if self.skipped(check)?.is_some() {
                continue;
            }
            let job = |pod: Option<ServingPod>| Job {
                check: Arc::clone(check),
                runtime: Arc::clone(&self.host.runtime),
                target: CheckTarget {
                    services: self.services.clone(),
                    context: Arc::clone(&context),
                    pod,
                },
            };
            match check.manifest.scope {
                Scope::PerRelease => work.push(Ok(job(None))),
                Scope::PerPod if context.pods.is_empty() => {
                    // Nothing looked at is nothing proven.
                    let verdict = job(None).header().error("there is no serving pod to check".to_owned());
                    work.push(Err(Box::new(verdict)));
                }
                Scope::PerPod => work.extend(context.pods.iter().map(|pod| Ok(job(Some(pod.clone()))))),
            }
        }
        Ok(work)
    }
}

#[async_trait]
impl Checks for CheckRunner {
    async fn specs(&self) -> Result<Vec<CheckSpec>, Failure> {
        let (checks, _) = self.host.ready().await?;
        let specs = checks.iter().map(|check| {
            Ok(CheckSpec {
                name: check.manifest.name.clone(),
                version: check.manifest.version.clone(),
                digest: check.digest.clone(),
                phase: check.manifest.phase,
                required: check.enforcement == Enforcement::Required,
                grants: check.grants.words(),
                skipped: self.skipped(check)?,
            })
        });
        specs.collect()
    }

    async fn run(&self, phase: Phase, context: &CheckContext, observer: &dyn Observer) -> Vec<Verdict> {
        let work = self.work(phase, context).await.unwrap_or_else(|failure| {
            let header = VerdictHeader {
                check: "plugins".to_owned(),
                phase,
                required: true,
                pod: None,
            };
            let verdict = header.error(format!("the checks cannot be loaded: {failure}"));
            vec![Err(Box::new(verdict))]
        });
        let runs = work.into_iter().enumerate().map(|(number, work)| async move {
            let verdict = match work {
                Ok(job) => job.guarded().await,
                Err(verdict) => *verdict,
            };
            (number, verdict)
        });
        let mut running = stream::iter(runs).buffer_unordered(self.host.runtime.limits.concurrency.max(1));
        let mut verdicts = Vec::new();
        while let Some((number, verdict)) = running.next().await {
            observer.event(Event::Checked {
                verdict: verdict.clone(),
            });
            verdicts.push((number, verdict));
        }
        verdicts.sort_by_key(|(number, _)| *number);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    }
}

impl Job {
    fn header(&self) -> VerdictHeader {
        VerdictHeader {
            check: self.check.manifest.name.clone(),
            phase: self.check.manifest.phase,
            required: self.check.enforcement == Enforcement::Required,
            pod: self.target.pod.as_ref().map(|pod| pod.name.clone()),
        }
    }

    /// Runs in a task of its own: a defect of this host in one check is that check's error. Ends with its caller.
    async fn guarded(self) -> Verdict {
        let header = self.header();
        let mut task = JoinSet::new();
        task.spawn(self.run());
        match task.join_next().await {
            Some(Ok(verdict)) => verdict,
            Some(Err(error)) => header.error(format!("the tool itself failed in this check: {error}")),
            None => header.error("the check was not started".to_owned()),
        }
    }

    async fn run(self) -> Verdict {
        let (header, start) = (self.header(), Instant::now());
        let Self { check, runtime, target } = self;
        let context = context(&check, &target);
        let grants = Arc::clone(&check.grants);
        let ended = runtime
            .validate(&check.linked, target, grants, &context, check.manifest.timeout)
            .await;
        header.ended(ended, start.elapsed().as_secs_f64())
    }
}

/// The context of a run, in the contract's words.
fn context(check: &Loaded, target: &CheckTarget) -> abi::Context {
    let context = &target.context;
    abi::Context {
        run_id: context.run_id.clone(),
        release: context.release.clone(),
        namespace: context.namespace.clone(),
        revision: context.revision,
        phase: phase_word(check.manifest.phase).to_owned(),
        model: context.model.clone(),
        environment: context.environment.clone(),
        pod: target.pod.as_ref().map(pod),
        pods: context.pods.iter().map(pod).collect(),
        has_router: target.services.router.is_some(),
        parameters: check.parameters.clone(),
        extra: Vec::new(),
    }
}

fn phase_word(phase: Phase) -> &'static str {
    let found = PHASES.iter().find(|(_, one)| *one == phase);
    found.map_or("", |(word, _)| word)
}

fn pod(pod: &ServingPod) -> abi::Pod {
    abi::Pod {
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        revision_hash: pod.revision_hash.clone(),
        ready: pod.ready,
        restarts: pod.restarts,
        port: pod.port,
        images: pod.images.clone(),
        extra: Vec::new(),
    }
}
