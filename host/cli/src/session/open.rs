//! Opening a session: the configuration is read, the cluster connected, the parts put together. Nothing is changed.

use std::sync::Arc;

use ulid::Ulid;
use vllm_rollback_cluster::journal_mirror::SharedConfigMap;
use vllm_rollback_cluster::pod_http::PodHttp;
use vllm_rollback_cluster::records::ReleaseRecords;
use vllm_rollback_cluster::{Cluster, CurrentRelease, ReleaseLock, ReleaseWorkloads};
use vllm_rollback_engine::CurrentRecord;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::{Interrupt, Releases};
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_helm::{HelmBinary, HelmReleases};
use vllm_rollback_plugins::CheckRunner;
use vllm_rollback_registry::DriverName;
use vllm_rollback_report::style::StatusIcon;
use vllm_rollback_report::terminal::Terminal;

use crate::args::site::SiteArgs;
use crate::clock::SystemClock;
use crate::config::file::File;
use crate::config::find;
use crate::config::settings::Settings;
use crate::journal::dir::JournalDir;
use crate::journal::local::LocalJournal;
use crate::journal::mirrored::{MirroredJournal, Warn};
use crate::session::Session;
use crate::signals::{Never, Signals, or_interrupted};
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;
use crate::wiring::{connect, helm, plugins, registry, router};

impl Session {
    /// Opens a session for a verb that only looks: a signal ends the process, as the system does it.
    ///
    /// # Errors
    /// Usage for a wrong configuration or connection; Unreachable or Forbidden when the cluster does not answer;
    /// Refused for a plugin that cannot be loaded.
    pub(crate) async fn inspect(ui: &Ui, args: &SiteArgs, release: &str, helm: HelmUse) -> Result<Self, Failure> {
        let terminal = Arc::new(ui.terminal());
        Self::open(ui, args, release, helm, terminal, Arc::new(Never)).await
    }

    /// Opens a session for a verb that changes something: a signal asks it to stop at the next safe point.
    ///
    /// # Errors
    /// As [`Self::inspect`]; Refused when a signal came meanwhile.
    pub(crate) async fn change(ui: &Ui, args: &SiteArgs, release: &str, helm: HelmUse) -> Result<Self, Failure> {
        let terminal = Arc::new(ui.terminal());
        let speaker = Arc::clone(&terminal);
        let signals = Arc::new(Signals::listen(move |text| speaker.emit(StatusIcon::Attention, text))?);
        let interrupt: Arc<dyn Interrupt> = signals.clone();
        or_interrupted(
            signals.as_ref(),
            Self::open(ui, args, release, helm, terminal, interrupt),
        )
        .await
    }

    async fn open(
        ui: &Ui,
        args: &SiteArgs,
        release: &str,
        helm: HelmUse,
        terminal: Arc<Terminal>,
        interrupt: Arc<dyn Interrupt>,
    ) -> Result<Self, Failure> {
        let settings = read_settings(ui, args)?;
        let connection = args.connection.clone().with_helm(ui.invoked_as, &ui.env);
        helm::assert_same_cluster(&connection)?;
        let binary = Arc::new(HelmBinary::from_env(helm::connection(&connection)));
        if helm == HelmUse::Soon {
            helm::look_ahead(&binary);
        }
        let run_id = Ulid::generate().to_string();
        let speaker = Arc::clone(&terminal);
        let warn: Warn = Arc::new(move |text: &str| speaker.emit(StatusIcon::Attention, text));
        let reached = async {
            let cluster = connect::connect(connection, Some(run_id.clone()), Arc::clone(&warn)).await?;
            let by = operator(&cluster).await;
            Ok((cluster, by))
        };
        let (host, (cluster, by)) = tokio::try_join!(plugins::host(&settings, &ui.env), reached)?;
        let release = ReleaseRef {
            namespace: cluster.namespace().to_owned(),
            name: release.to_owned(),
        };
        let records = ReleaseRecords::new(cluster.clone(), helm::record_store(&ui.env)?, &release.name);
        let releases: Arc<dyn Releases> = Arc::new(HelmReleases::new(release.clone(), records, binary));
        let current = CurrentRecord::new(Arc::clone(&releases));
        let registry = registry::driver(&settings, &cluster, &release, &current).await?;
        let checks = CheckRunner::new(
            host,
            Arc::new(PodHttp::new(cluster.clone())),
            Arc::new(CurrentRelease::new(cluster.clone(), current.clone())),
            Arc::new(Arc::clone(&registry)),
            router::endpoint(&settings, &cluster)?,
        );
        let workloads = ReleaseWorkloads {
            cluster: cluster.clone(),
            service_gate: settings.drivers.names().any(|name| name == DriverName::Service),
        };
        let local = LocalJournal::new(JournalDir::find(&ui.env, cluster.uid(), &release));
        let mirror = SharedConfigMap::new(cluster.clone(), &release.name);
        Ok(Self {
            workloads: Arc::new(workloads),
            lock: ReleaseLock::new(cluster.clone(), release.name.clone()),
            cluster,
            current,
            journal: MirroredJournal::new(local, mirror, warn),
            clock: SystemClock::start(),
            release,
            releases,
            registry,
            checks,
            settings,
            run_id,
            by,
            ui: ui.clone(),
            terminal,
            interrupt,
        })
    }
}

fn read_settings(ui: &Ui, args: &SiteArgs) -> Result<Settings, Failure> {
    let here = std::env::current_dir().unwrap_or_default();
    let file = match find::file(args.config.as_deref(), &ui.env, &here) {
        Some(path) => File::read(&path)?,
        None => File::default(),
    };
    Settings::merge(&args.traffic, &args.checks, file, &ui.env)
}

/// `user@host`: who the cluster takes us for, and from which machine. A cluster that does not say is no reason to stop.
async fn operator(cluster: &Cluster) -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match cluster.who_am_i().await {
        Ok(user) if !user.is_empty() => format!("{user}@{machine}"),
        _ => format!("unknown@{machine}"),
    }
}
