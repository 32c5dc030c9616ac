//! One run of one component: what it may reach, what it used, what it said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vllm_rollback_engine::check::CheckContext;
use vllm_rollback_engine::ports::checks::{ClusterView, HttpTarget, PodTargets, TrafficView};
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types::{self, CallError};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::budget::Budget;
use crate::capability::{Capability, denied};
use crate::egress::{Client, Endpoint};
use crate::grants::EffectiveGrants;
use crate::limits::{Limits, ResourceLimiter};
use crate::output::{BoundedOutput, LogLines};

/// Bytes that one call for random numbers may give.
const RANDOM: u64 = 1024 * 1024;

/// Way to the router.
#[derive(Clone)]
pub enum RouterEndpoint {
    /// At its URL.
    Url(Endpoint),
    /// Through the cluster, to a pod behind its Service.
    Target(Arc<dyn HttpTarget>),
}

/// The world outside, for all runs alike.
#[derive(Clone)]
pub(crate) struct HostServices {
    pub(crate) pods: Arc<dyn PodTargets>,
    pub(crate) cluster: Arc<dyn ClusterView>,
    pub(crate) traffic: Arc<dyn TrafficView>,
    pub(crate) router: Option<RouterEndpoint>,
    pub(crate) client: Client,
}

/// Release or pod that one run is about.
#[derive(Clone)]
pub(crate) struct CheckTarget {
    pub(crate) services: HostServices,
    pub(crate) context: Arc<CheckContext>,
    /// The pod under check.
    pub(crate) pod: Option<ServingPod>,
}

/// Data of a store.
pub(crate) struct CheckInstance {
    /// None while a component describes itself: then there is nothing outside.
    pub(crate) target: Option<CheckTarget>,
    pub(crate) grants: Arc<EffectiveGrants>,
    pub(crate) budget: Budget,
    pub(crate) growth: ResourceLimiter,
    pub(crate) log: LogLines,
    pub(crate) stderr: BoundedOutput,
    pub(crate) started: Instant,
    pub(crate) deadline: Duration,
    /// The first thing that was denied.
    pub(crate) denial: Option<String>,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl CheckInstance {
    /// A run that begins now. Its WASI is empty: no files, arguments, variables, sockets or names. Its stdout swallows
    /// everything, so that a check that prints does not fail.
    pub(crate) fn new(
        target: Option<CheckTarget>,
        grants: Arc<EffectiveGrants>,
        limits: &Limits,
        deadline: Duration,
    ) -> Self {
        let stderr = BoundedOutput::new(limits.stdio_bytes);
        let wasi = WasiCtxBuilder::new()
            .stderr(stderr.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            target,
            grants,
            budget: Budget::new(limits),
            growth: ResourceLimiter::new(limits),
            log: LogLines::new(limits.log_bytes),
            stderr,
            started: Instant::now(),
            deadline,
            denial: None,
            wasi,
            table,
        }
    }

    /// Time until the deadline.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.started.elapsed())
    }

    /// The target, if the capability is granted; otherwise why not, remembered for the verdict.
    pub(crate) fn granted(&mut self, capability: Capability) -> Result<CheckTarget, CallError> {
        let nothing = || "nothing is reached while a check describes itself".to_owned();
        let allowed = self.grants.allow(capability);
        allowed
            .and_then(|()| self.target.clone().ok_or_else(nothing))
            .map_err(|why| denied(self.deny(why)))
    }

    /// Remembers the first denial. A check that asked for what it may not have did not judge what it should.
    pub(crate) fn deny(&mut self, why: String) -> String {
        self.denial.get_or_insert_with(|| why.clone());
        why
    }
}

impl types::Host for CheckInstance {}

impl WasiView for CheckInstance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
