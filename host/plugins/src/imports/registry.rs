//! `registry`: the model's place in traffic.

use vllm_rollback_plugin_abi::vllm_rollback::plugin::registry::{Host, RegistryState};

use super::ask;
use crate::grants::Capability;
use crate::run::Run;

impl Host for Run {
    async fn read(&mut self) -> wasmtime::Result<Result<RegistryState, String>> {
        self.called()?;
        let subject = match self.granted(Capability::Registry) {
            Ok(subject) => subject,
            Err(why) => return Ok(Err(why)),
        };
        let state = ask(self.left(), subject.outside.traffic.read()).await;
        Ok(state.map(|state| RegistryState {
            status: state.status.word().to_owned(),
            driver: state.driver,
            expected: subject.context.expected_traffic.clone(),
            endpoint: state.endpoint,
            evidence: state.evidence,
        }))
    }
}
