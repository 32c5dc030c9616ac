//! Making the driver, which has no settings.

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;

use super::Noop;
use crate::context::{DriverContext, DriverSettings};

/// There are none.
#[derive(Debug)]
pub(crate) struct Settings;

#[async_trait]
impl DriverSettings for Settings {
    async fn make(&self, _: &DriverContext) -> Result<Box<dyn Registry>, Failure> {
        Ok(Box::new(Noop))
    }
}
