//! The interfaces that a check imports, one file each. Every call is counted, every wait ends by the run's deadline.

mod clock;
mod cluster;
mod http;
mod log;
mod metrics;
mod registry;

use std::future::Future;
use std::time::Duration;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_plugin_abi::Plugin;
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types;
use wasmtime::component::{HasSelf, Linker};

use crate::run::Run;
use crate::untrusted;

/// All interfaces of the contract, and all of WASI 0.2: leaving parts of it out keeps the standard libraries of Rust, Python
/// and JavaScript from linking. What it can reach is nothing; see [`Run::new`].
pub(crate) fn link(linker: &mut Linker<Run>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    Plugin::add_to_linker::<_, HasSelf<Run>>(linker, |run| run)
}

impl types::Host for Run {}

/// Longest text of an error that a check is given, characters.
const ERROR: usize = 500;

/// What a view of the outside answered, as a check is told, within the time that the run has left.
async fn ask<T>(left: Duration, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, String> {
    match tokio::time::timeout(left, answer).await {
        Ok(answer) => answer.map_err(|failure| untrusted::line(&failure.to_string(), ERROR)),
        Err(_) => Err("no answer before the check's deadline".to_owned()),
    }
}
