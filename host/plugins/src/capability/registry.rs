//! `registry`: the model's place in traffic.

use vllm_rollback_plugin_abi::vllm_rollback::plugin::registry::{Host, RegistryState};
use vllm_rollback_plugin_abi::vllm_rollback::plugin::types::CallError;

use super::{Capability, within};
use crate::instance::CheckInstance;

impl Host for CheckInstance {
    async fn read(&mut self) -> wasmtime::Result<Result<RegistryState, CallError>> {
        self.budget.call()?;
        let answer = async {
            let target = self.granted(Capability::Registry)?;
            let state = within(self.left(), target.services.traffic.read()).await?;
            Ok(RegistryState {
                status: state.status.as_str().to_owned(),
                driver: state.driver,
                expected: target.context.expected_traffic.clone(),
                endpoint: state.endpoint,
                evidence: state.evidence,
                extra: Vec::new(),
            })
        };
        Ok(answer.await)
    }
}
