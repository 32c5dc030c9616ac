//! The session of a verb: a release in its cluster, the operator's terminal, and the signals that ask to stop.
//!
//! Verbs that look open one with [`Session::inspect`], verbs that change with [`Session::change`]; both end in a document.

mod act;
mod open;
mod plan;

use std::collections::BTreeSet;
use std::sync::Arc;

use vllm_rollback_cluster::journal_mirror::SharedConfigMap;
use vllm_rollback_cluster::{Cluster, CurrentRelease, ReleaseLock};
use vllm_rollback_engine::CurrentRecord;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::drivers::ReleaseEndpoints as _;
use vllm_rollback_engine::ports::{Clock, Interrupt, Journal, Ports, Registry, Releases, Workloads};
use vllm_rollback_engine::release::{ReleaseRef, Revision};
use vllm_rollback_engine::request::{Deadlines, Override, Request, RollbackTarget};
use vllm_rollback_engine::target::{self, TargetQuery};
use vllm_rollback_engine::workload::Finding;
use vllm_rollback_plugins::CheckRunner;
use vllm_rollback_report::terminal::Terminal;

use crate::clock::SystemClock;
use crate::config::settings::Settings;
use crate::invoked_as;
use crate::journal::mirrored::MirroredJournal;
use crate::ui::Ui;

/// A release in its cluster, with everything that a verb needs.
pub(crate) struct Session {
    /// The release.
    pub(crate) release: ReleaseRef,
    /// Helm.
    pub(crate) releases: Arc<dyn Releases>,
    /// Pods and objects.
    pub(crate) workloads: Arc<dyn Workloads>,
    /// Traffic.
    pub(crate) registry: Arc<dyn Registry>,
    /// State that earlier runs left, and records of this one.
    pub(crate) journal: MirroredJournal<SharedConfigMap>,
    checks: CheckRunner,
    cluster: Cluster,
    current: CurrentRecord,
    lock: ReleaseLock,
    clock: SystemClock,
    settings: Settings,
    run_id: String,
    by: String,
    ui: Ui,
    terminal: Arc<Terminal>,
    interrupt: Arc<dyn Interrupt>,
}

impl Session {
    /// The engine's ports.
    pub(crate) fn ports(&self) -> Ports<'_> {
        Ports {
            releases: self.releases.as_ref(),
            workloads: self.workloads.as_ref(),
            registry: self.registry.as_ref(),
            checks: &self.checks,
            lock: &self.lock,
            journal: &self.journal,
            clock: &self.clock,
            interrupt: self.interrupt.as_ref(),
            observer: self.terminal.as_ref(),
        }
    }

    /// A request for the last good revision, as the settings say.
    pub(crate) fn request(&self, reason: Option<String>) -> Request {
        let mut request = Request::new(self.release.clone(), self.run_id.clone(), self.by.clone());
        request.reason = reason;
        request.tool_version = invoked_as::VERSION.to_owned();
        request.deadlines = Deadlines {
            drain: self.settings.drain,
            readiness: self.settings.ready,
            ..Deadlines::default()
        };
        request.model.clone_from(&self.settings.model);
        request.environment.clone_from(&self.settings.environment);
        request
    }

    /// The command line of a verb about this release, as the operator would type it.
    pub(crate) fn command(&self, verb: &str) -> String {
        let release = &self.release;
        self.ui.invoked_as.command(verb, &release.name, &release.namespace)
    }

    /// Revision that a rollback without a number would go to; none when no revision is good.
    pub(crate) async fn last_good(&self) -> Option<Revision> {
        let memory = self.journal.load_state().await.ok()?;
        let wish = TargetQuery {
            release: &self.release,
            target: RollbackTarget::LastGood,
            // Looking at a release that is being worked on is harmless.
            accept: &BTreeSet::from([Override::PendingCurrent]),
            now: &self.clock.wall(),
            verb: "",
        };
        let choice = target::choose(self.releases.as_ref(), &memory, &wish).await.ok()?;
        Some(choice.target.revision)
    }

    /// Findings about what seems to send the release traffic: shown, never acted on.
    async fn routing(&self) -> Vec<Finding> {
        let looking = async { self.cluster.routing(&*self.current.record().await?).await };
        looking.await.unwrap_or_else(|failure| {
            let text = format!("cannot find out what sends traffic to the release: {failure}");
            vec![Finding::unknown("routing", text)]
        })
    }

    /// The release's Services whose gate is closed, each with the gate's value.
    ///
    /// # Errors
    /// Forbidden, Unreachable; as reading release records.
    pub(crate) async fn closed_gates(&self) -> Result<Vec<(String, String)>, Failure> {
        let own = CurrentRelease::new(self.cluster.clone(), self.current.clone());
        let own = own.services().await?.into_iter();
        Ok(own.filter_map(|service| Some((service.name, service.gate?))).collect())
    }

    /// Holder of the lock, in one line; none when it is free.
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
