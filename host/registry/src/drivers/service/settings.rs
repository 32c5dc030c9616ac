//! Making the driver, which has no settings.

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;

use super::ServiceGate;
use crate::context::{DriverContext, DriverSettings};

/// There are none.
#[derive(Debug)]
pub(crate) struct Settings;

#[async_trait]
impl DriverSettings for Settings {
    async fn make(&self, session: &DriverContext) -> Result<Box<dyn Registry>, Failure> {
        let services = session.selectors.clone();
        Ok(Box::new(ServiceGate::new(session.release.clone(), services)))
    }
}
