//! A release in its cluster, with everything that a run needs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ulid::Ulid;
use vllm_rollback_cluster::journal_mirror::SharedConfigMap;
use vllm_rollback_cluster::pod_http::PodHttp;
use vllm_rollback_cluster::records::ReleaseRecords;
use vllm_rollback_cluster::{Cluster, ReleaseLock, ReleaseWorkloads};
use vllm_rollback_engine::CurrentRecord;
use vllm_rollback_engine::event::Observer;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::{Clock, Interrupt, Journal, Registry, Releases, Workloads, World};
use vllm_rollback_engine::release::{ReleaseRef, Revision};
use vllm_rollback_engine::request::{Accept, Deadlines, Request, TargetWish};
use vllm_rollback_engine::target::{self, Wish};
use vllm_rollback_engine::workload::{Finding, Severity};
use vllm_rollback_helm::{HelmBinary, HelmReleases};
use vllm_rollback_plugins::CheckRunner;
use vllm_rollback_report::look::Mark;
use vllm_rollback_report::terminal::Terminal;

use crate::args::connection::ConnectionArgs;
use crate::args::site::SiteArgs;
use crate::clock::SystemClock;
use crate::config::file::File;
use crate::config::find;
use crate::config::registry as chosen;
use crate::config::settings::Settings;
use crate::journal::kept::{KeptJournal, Warn};
use crate::journal::local::LocalJournal;
use crate::journal::place::Place;
use crate::shell::Shell;
use crate::verbs::version;
use crate::wiring::cluster_view::SiteView;
use crate::wiring::helm::HelmUse;
use crate::wiring::reach::PodReach;
use crate::wiring::{connect, helm, plugins, registry, router};

/// A release in its cluster, with everything that a run needs.
pub(crate) struct Site {
    /// The release.
    pub(crate) release: ReleaseRef,
    /// Helm.
    pub(crate) releases: Arc<dyn Releases>,
    /// Pods and objects.
    pub(crate) workloads: Arc<dyn Workloads>,
    /// Traffic.
    pub(crate) registry: Arc<dyn Registry>,
    /// What earlier runs left, and what this one writes.
    pub(crate) journal: KeptJournal<SharedConfigMap>,
    checks: CheckRunner,
    cluster: Cluster,
    current: CurrentRecord,
    lock: ReleaseLock,
    clock: SystemClock,
    settings: Settings,
    run_id: String,
    by: String,
}

impl Site {
    /// Reads the configuration, connects, and puts the parts together. Changes nothing.
    ///
    /// # Errors
    /// Usage for a wrong configuration or connection; Unreachable or Forbidden when the cluster does not answer;
    /// Refused for a plugin that cannot be loaded.
    pub(crate) async fn open(
        shell: &Shell,
        args: &SiteArgs,
        connection: ConnectionArgs,
        release: &str,
        terminal: &Arc<Terminal>,
        helm: HelmUse,
    ) -> Result<Self, Failure> {
        let settings = read_settings(shell, args)?;
        helm::assert_same_cluster(&connection)?;
        let binary = Arc::new(HelmBinary::from_env(helm::connection(&connection)));
        if helm == HelmUse::Soon {
            helm::look_ahead(&binary);
        }
        let run_id = Ulid::generate().to_string();
        let speaker = Arc::clone(terminal);
        let warn: Warn = Arc::new(move |text: &str| speaker.say(Mark::Attention, text));
        let reached = async {
            let cluster = connect::connect(connection, Some(run_id.clone()), Arc::clone(&warn)).await?;
            let by = operator(&cluster).await;
            Ok((cluster, by))
        };
        let (host, (cluster, by)) = tokio::try_join!(plugins::host(&settings, &shell.env), reached)?;
        let release = ReleaseRef {
            namespace: cluster.namespace().to_owned(),
            name: release.to_owned(),
        };
        let records = ReleaseRecords::new(cluster.clone(), helm::record_store(&shell.env)?, &release.name);
        let releases: Arc<dyn Releases> = Arc::new(HelmReleases::new(release.clone(), records, binary));
        let current = CurrentRecord::new(Arc::clone(&releases));
        let registry = registry::driver(&settings, &cluster, &release, &current).await?;
        let pods = PodHttp::new(cluster.clone());
        let checks = CheckRunner::new(
            host,
            Arc::new(PodReach(pods.clone())),
            Arc::new(SiteView::new(cluster.clone(), current.clone())),
            Arc::new(registry::View(Arc::clone(&registry))),
            router::way(&settings, &cluster)?,
        );
        let local = LocalJournal::new(Place::find(&shell.env, cluster.uid(), &release));
        let mirror = SharedConfigMap::new(cluster.clone(), &release.name);
        Ok(Self {
            workloads: Arc::new(workloads(&settings, &cluster)),
            lock: ReleaseLock::new(cluster.clone(), release.name.clone()),
            cluster,
            current,
            journal: KeptJournal::new(local, mirror, warn),
            clock: SystemClock::start(),
            release,
            releases,
            registry,
            checks,
            settings,
            run_id,
            by,
        })
    }

    /// The engine's world.
    pub(crate) fn world<'a>(&'a self, interrupt: &'a dyn Interrupt, observer: &'a dyn Observer) -> World<'a> {
        World {
            releases: self.releases.as_ref(),
            workloads: self.workloads.as_ref(),
            registry: self.registry.as_ref(),
            checks: &self.checks,
            lock: &self.lock,
            journal: &self.journal,
            clock: &self.clock,
            interrupt,
            observer,
        }
    }

    /// A request for the last good revision, as the settings say. `ready` is the deadline typed for this verb.
    pub(crate) fn request(&self, ready: Option<Duration>) -> Request {
        let mut request = Request::new(self.release.clone(), self.run_id.clone(), self.by.clone());
        request.tool_version = version::TOOL.to_owned();
        request.deadlines = Deadlines {
            drain: self.settings.drain,
            readiness: ready.or(self.settings.ready),
            ..Deadlines::default()
        };
        request.model.clone_from(&self.settings.model);
        request.environment.clone_from(&self.settings.environment);
        request
    }

    /// Where a rollback without a number would go; none when no revision is good.
    pub(crate) async fn last_good(&self) -> Option<Revision> {
        let memory = self.journal.memory().await.ok()?;
        let wish = Wish {
            release: &self.release,
            target: TargetWish::LastGood,
            // Looking at a release that is being worked on is harmless.
            accept: &BTreeSet::from([Accept::PendingCurrent]),
            now: &self.clock.wall(),
            verb: "",
        };
        let choice = target::choose(self.releases.as_ref(), &memory, &wish).await.ok()?;
        Some(choice.target.revision)
    }

    /// What seems to send the release traffic, for people: nothing is done with it.
    pub(crate) async fn routing(&self) -> Vec<Finding> {
        let looking = async { self.cluster.routing(&*self.current.record().await?).await };
        looking.await.unwrap_or_else(|failure| {
            vec![Finding {
                severity: Severity::Unknown,
                subject: "routing".to_owned(),
                message: format!("what sends the release traffic could not be looked at: {failure}"),
                next: Vec::new(),
            }]
        })
    }

    /// The release's Services whose gate is closed, each with the gate's value.
    ///
    /// # Errors
    /// Forbidden, Unreachable; as reading release records.
    pub(crate) async fn closed_gates(&self) -> Result<Vec<(String, String)>, Failure> {
        let (record, services) = tokio::try_join!(self.current.record(), self.cluster.services())?;
        let own = services.of(&record)?.into_iter();
        Ok(own.filter_map(|service| Some((service.name, service.gate?))).collect())
    }

    /// Who holds the lock, in one line.
    ///
    /// # Errors
    /// Forbidden, Unreachable.
    pub(crate) async fn lock_holder(&self) -> Result<Option<String>, Failure> {
        let holder = self.lock.holder().await?;
        Ok(holder.map(|holder| {
            let since = holder.since.map(|since| format!(" since {since}")).unwrap_or_default();
            let reason = holder.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("run {} of {}{since}{reason}", holder.run_id, holder.by)
        }))
    }
}

fn read_settings(shell: &Shell, args: &SiteArgs) -> Result<Settings, Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    let file = match find::file(args.config.as_deref(), &shell.env, &here) {
        Some(path) => File::read(&path)?,
        None => File::default(),
    };
    Settings::merge(&args.traffic, &args.checks, file, &shell.env)
}

fn workloads(settings: &Settings, cluster: &Cluster) -> ReleaseWorkloads {
    let workloads = ReleaseWorkloads::new(cluster.clone());
    let closes_services = |registry: &chosen::Registry| matches!(registry, chosen::Registry::Service);
    if settings.registries.iter().any(closes_services) {
        workloads.with_service_gate()
    } else {
        workloads
    }
}

/// `user@host`: who the cluster takes us for, and from which machine. A cluster that does not say is no reason to stop.
async fn operator(cluster: &Cluster) -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match cluster.who_am_i().await {
        Ok(identity) if !identity.user.is_empty() => format!("{}@{machine}", identity.user),
        _ => format!("unknown@{machine}"),
    }
}
