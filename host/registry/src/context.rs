//! Making a driver: from its settings, in a session about one release.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use vllm_rollback_engine::CurrentRecord;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::ports::drivers::{ReleaseEndpoints, RouterClient, Routes, ServiceSelectors};
use vllm_rollback_engine::release::ReleaseRef;

/// A driver's settings: what flags, configuration and environment say to it.
#[async_trait]
pub trait DriverSettings: Debug + Send + Sync {
    /// Makes the driver, which has not yet asked anybody anything.
    ///
    /// # Errors
    /// `Usage`, for what the driver needs and is not said.
    async fn make(&self, session: &DriverContext) -> Result<Box<dyn Registry>, Failure>;
}

/// A release in its cluster, and what was said of its model.
pub struct DriverContext {
    /// The release.
    pub release: ReleaseRef,
    /// The newest record.
    pub current: CurrentRecord,
    /// Places where the model is reached.
    pub endpoints: Arc<dyn ReleaseEndpoints>,
    /// Selectors of its Services, and labels on its pods.
    pub selectors: Arc<dyn ServiceSelectors>,
    /// Routes that may lead to it.
    pub routes: Arc<dyn Routes>,
    /// Replicas of the router, where one is set.
    pub router: Option<Arc<dyn RouterClient>>,
    /// Model name that clients ask for, where it is set.
    pub model: Option<String>,
    /// Environment of the registry's entry, where it is set.
    pub environment: Option<String>,
}

impl DriverContext {
    /// Model name that clients ask for: as set, else as the release says; empty where neither does.
    ///
    /// # Errors
    /// As reading the newest record; `Invalid` when its manifest cannot be read.
    pub(crate) async fn model(&self) -> Result<String, Failure> {
        match &self.model {
            Some(model) => Ok(model.clone()),
            None => Ok(self.current.record().await?.served_model()?.unwrap_or_default()),
        }
    }

    /// The router, for a driver that is one.
    ///
    /// # Errors
    /// `Internal` when none is set: [`crate::Drivers::new`] saw to it.
    pub(crate) fn needed_router(&self) -> Result<Arc<dyn RouterClient>, Failure> {
        self.router
            .clone()
            .ok_or_else(|| Failure::internal("a driver that is a router was made without one"))
    }
}
