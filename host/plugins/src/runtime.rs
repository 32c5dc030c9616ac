//! Running a component: a fresh store and instance each time, and a deadline that holds.
//!
//! Three timers, from the inside out: the epoch callback ends a component that computes; every host call ends by the deadline;
//! and around all of it a tokio timer, a little longer so that the better text of the first wins, drops the store if neither
//! did.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_plugin_abi::PluginPre;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types as abi;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::fault::{DeadlinePassed, Fault};
use crate::grants::Effective;
use crate::imports;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::run::{Run, Subject};
use crate::sandbox::{TICK, Ticker, engine};

/// How much longer the outer timer is.
const GRACE: Duration = Duration::from_millis(250);

/// Engine, linker and limits: what all runs share.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    linker: Linker<Run>,
    _ticker: Ticker,
}

/// A component that is linked and can be instantiated at once.
pub(crate) type Linked = PluginPre<Run>;

/// What a run ended with.
pub(crate) struct Ended {
    pub(crate) result: Result<abi::Verdict, Fault>,
    pub(crate) log: Vec<String>,
    pub(crate) denial: Option<String>,
}

impl Runtime {
    pub(crate) fn new(limits: Limits) -> Result<Self, Failure> {
        let engine = engine()?;
        let mut linker = Linker::new(&engine);
        imports::link(&mut linker).map_err(|error| {
            Failure::new(FailureKind::Internal, "the interfaces for checks do not fit together")
                .because(error.to_string())
        })?;
        let ticker = Ticker::start(&engine)?;
        Ok(Self {
            engine,
            limits,
            linker,
            _ticker: ticker,
        })
    }

    /// Connects imports and looks for `check`; the text of an error names the interface that does not fit.
    pub(crate) fn link(&self, component: &Component) -> Result<Linked, String> {
        let linked = self.linker.instantiate_pre(component).and_then(PluginPre::new);
        linked.map_err(|error| crate::untrusted::line(&format!("{error:#}"), 400))
    }

    /// Asks a component what it is.
    pub(crate) async fn describe(&self, linked: &Linked) -> Result<Manifest, Fault> {
        let deadline = self.limits.describe;
        let mut store = self.store(None, Arc::new(Effective::nothing()), deadline);
        let said = within(deadline, async {
            let plugin = linked.instantiate_async(&mut store).await?;
            plugin.vllm_rollback_plugin_check().call_describe(&mut store).await
        });
        let said = match said.await {
            Ok(said) => said,
            Err(error) => return Err(explain(error, deadline, store.data())),
        };
        Manifest::read(said, &self.limits).map_err(|what| Fault {
            what: format!("its manifest {what}"),
            evidence: Vec::new(),
        })
    }

    /// Runs a check once.
    pub(crate) async fn validate(
        &self,
        linked: &Linked,
        subject: Subject,
        grants: Arc<Effective>,
        context: &abi::Context,
        deadline: Duration,
    ) -> Ended {
        let mut store = self.store(Some(subject), grants, deadline);
        let verdict = within(deadline, async {
            let plugin = linked.instantiate_async(&mut store).await?;
            plugin
                .vllm_rollback_plugin_check()
                .call_validate(&mut store, context)
                .await
        });
        let result = match verdict.await {
            Ok(verdict) => Ok(verdict),
            Err(error) => Err(explain(error, deadline, store.data())),
        };
        let run = store.into_data();
        Ended {
            result,
            log: run.log.into_lines(),
            denial: run.denial,
        }
    }

    fn store(&self, subject: Option<Subject>, grants: Arc<Effective>, deadline: Duration) -> Store<Run> {
        let mut store = Store::new(&self.engine, Run::new(subject, grants, &self.limits, deadline));
        store.limiter(|run| &mut run.growth);
        store.set_hostcall_fuel(self.limits.bytes_per_call);
        store.set_max_component_handles(self.limits.handles);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            let run = store.data();
            if run.left().is_zero() {
                return Err(DeadlinePassed(run.deadline).into());
            }
            // Lets other checks on this thread, and the outer timer, have a turn.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

/// The answer of a component, or none when the outer timer fired.
async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, Option<wasmtime::Error>> {
    match tokio::time::timeout(deadline + GRACE.max(TICK * 2), call).await {
        Ok(answer) => answer.map_err(Some),
        Err(_) => Err(None),
    }
}

fn explain(error: Option<wasmtime::Error>, deadline: Duration, run: &Run) -> Fault {
    error.map_or_else(|| Fault::late(deadline), |error| Fault::of(&error, run))
}
