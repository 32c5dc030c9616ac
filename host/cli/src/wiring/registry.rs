//! The registry driver of the settings, in a session about one release.

use std::sync::Arc;

use vllm_rollback_cluster::{Cluster, CurrentRelease};
use vllm_rollback_engine::CurrentRecord;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_registry::DriverContext;

use crate::config::settings::Settings;
use crate::wiring::router;

/// The driver, or several as one, which has not yet asked anybody anything.
///
/// # Errors
/// Usage, for what a driver needs and is not said.
pub(crate) async fn driver(
    settings: &Settings,
    cluster: &Cluster,
    release: &ReleaseRef,
    current: &CurrentRecord,
) -> Result<Arc<dyn Registry>, Failure> {
    let in_cluster = Arc::new(CurrentRelease::new(cluster.clone(), current.clone()));
    let session = DriverContext {
        release: release.clone(),
        current: current.clone(),
        endpoints: in_cluster.clone(),
        selectors: in_cluster.clone(),
        routes: in_cluster,
        router: router::link(settings, cluster)?,
        model: settings.model.clone(),
        environment: settings.environment.clone(),
    };
    settings.drivers.make(&session).await
}
