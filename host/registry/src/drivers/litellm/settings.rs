//! Making the driver, which needs only the router.

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;

use super::LiteLlm;
use crate::context::{DriverContext, DriverSettings};

/// There are none.
#[derive(Debug)]
pub(crate) struct Settings;

#[async_trait]
impl DriverSettings for Settings {
    async fn make(&self, session: &DriverContext) -> Result<Box<dyn Registry>, Failure> {
        Ok(Box::new(LiteLlm {
            client: session.needed_router()?,
            endpoints: session.endpoints.clone(),
            labels: session.selectors.clone(),
        }))
    }
}
