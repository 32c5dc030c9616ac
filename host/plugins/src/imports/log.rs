//! `log`: lines for the operator.

use vllm_rollback_plugin_abi::vllm_rollback::plugin::log::{Host, Level};

use crate::run::Run;

impl Host for Run {
    async fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.called()?;
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.log.write(level, &message);
        Ok(())
    }
}
