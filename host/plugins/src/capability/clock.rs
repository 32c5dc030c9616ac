//! `clock`: time since the run began, and pauses.

use std::time::Duration;

use vllm_rollback_plugin_abi::vllm_rollback::plugin::clock::Host;

use crate::instance::CheckInstance;

impl Host for CheckInstance {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        self.budget.call()?;
        Ok(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    async fn sleep(&mut self, milliseconds: u32) -> wasmtime::Result<()> {
        self.budget.call()?;
        // Not beyond the deadline: back in the component, the epoch ends the run with a better text than the outer timer.
        tokio::time::sleep(Duration::from_millis(milliseconds.into()).min(self.left())).await;
        Ok(())
    }
}
