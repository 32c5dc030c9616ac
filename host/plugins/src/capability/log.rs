//! `log`: lines for the operator.

use vllm_rollback_plugin_abi::vllm_rollback::plugin::log::Host;

use crate::instance::CheckInstance;

impl Host for CheckInstance {
    async fn write(&mut self, level: String, message: String) -> wasmtime::Result<()> {
        self.budget.call()?;
        let level = match level.as_str() {
            known @ ("debug" | "info" | "warn" | "error") => known,
            _ => "info",
        };
        self.log.write(level, &message);
        Ok(())
    }
}
