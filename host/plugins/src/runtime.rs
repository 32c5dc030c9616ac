//! Running a component: a fresh store and instance each time, and a deadline that holds.
//!
//! Three timers, from the inside out: the epoch callback ends a component that computes; every host call ends by the deadline;
//! and around all of it a tokio timer, a little longer so that the better text of the first wins, drops the store if neither
//! did.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types as abi;
use vllm_rollback_plugin_abi::{Plugin, PluginIndices, PluginPre};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Engine, Store, UpdateDeadline};

use crate::fault::{DeadlinePassed, Fault};
use crate::grants::EffectiveGrants;
use crate::instance::{CheckInstance, CheckTarget};
use crate::limits::Limits;
use crate::sandbox::{TICK, Ticker, engine};

/// Time by which the outer timer is longer.
const GRACE: Duration = Duration::from_millis(250);

/// Engine, linker and limits: what all runs share.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    linker: Linker<CheckInstance>,
    _ticker: Ticker,
}

/// A component that is linked and can be instantiated at once.
pub(crate) type Linked = PluginPre<CheckInstance>;

/// Reason why a component does not describe itself.
pub(crate) enum DescribeError {
    /// The exports have the contract's names and other types; wasmtime's text.
    OtherTypes(String),
    Fault(Fault),
}

/// All interfaces of the contract, and all of WASI 0.2: leaving parts of it out keeps the standard libraries of Rust, Python
/// and JavaScript from linking. What it can reach is nothing; see [`CheckInstance::new`].
fn link_imports(linker: &mut Linker<CheckInstance>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    Plugin::add_to_linker::<_, HasSelf<CheckInstance>>(linker, |instance| instance)
}

/// End of a run.
pub(crate) struct CheckExit {
    pub(crate) result: Result<abi::Verdict, Fault>,
    pub(crate) log: Vec<String>,
    pub(crate) denial: Option<String>,
}

impl Runtime {
    pub(crate) fn new(limits: Limits) -> Result<Self, Failure> {
        let engine = engine()?;
        let mut linker = Linker::new(&engine);
        link_imports(&mut linker).map_err(|error| {
            Failure::internal("the interfaces for checks do not fit together").because(error.to_string())
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
    pub(crate) async fn describe(&self, linked: &Linked) -> Result<abi::Manifest, DescribeError> {
        let deadline = self.limits.describe;
        let mut store = self.store(None, Arc::new(EffectiveGrants::nothing()), deadline);
        let said = within(deadline, async {
            let pre = linked.instance_pre();
            let instance = pre.instantiate_async(&mut store).await?;
            // Types are compared here and not when it is linked; with a difference, nothing of it has run that it exports.
            match PluginIndices::new(pre)?.load(&mut store, &instance) {
                Err(error) => Ok(Err(error)),
                Ok(plugin) => Ok(Ok(plugin
                    .vllm_rollback_plugin_check()
                    .call_describe(&mut store)
                    .await?)),
            }
        });
        match said.await {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(error)) => Err(DescribeError::OtherTypes(crate::untrusted::line(
                &format!("{error:#}"),
                400,
            ))),
            Err(error) => Err(DescribeError::Fault(explain(error, deadline, store.data()))),
        }
    }

    /// Runs a check once.
    pub(crate) async fn validate(
        &self,
        linked: &Linked,
        target: CheckTarget,
        grants: Arc<EffectiveGrants>,
        context: &abi::Context,
        deadline: Duration,
    ) -> CheckExit {
        let mut store = self.store(Some(target), grants, deadline);
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
        CheckExit {
            result,
            log: run.log.into_lines(),
            denial: run.denial,
        }
    }

    fn store(
        &self,
        target: Option<CheckTarget>,
        grants: Arc<EffectiveGrants>,
        deadline: Duration,
    ) -> Store<CheckInstance> {
        let mut store = Store::new(&self.engine, CheckInstance::new(target, grants, &self.limits, deadline));
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

fn explain(error: Option<wasmtime::Error>, deadline: Duration, run: &CheckInstance) -> Fault {
    error.map_or_else(|| Fault::late(deadline), |error| Fault::from_error(&error, run))
}
