//! The registry driver of the settings.

use std::sync::Arc;

use async_trait::async_trait;
use vllm_rollback_cluster::Cluster;
use vllm_rollback_cluster::services::model_of;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_engine::traffic::TrafficState;
use vllm_rollback_plugins::TrafficView;
use vllm_rollback_registry::postgres::{Cache, CacheMode, PostgresConfig, RouterProbe};
use vllm_rollback_registry::{PostgresRegistry, ServiceGate, Unmanaged};

use crate::args::traffic::RedisMode;
use crate::config::settings::{self, Settings};
use crate::wiring::newest::Newest;
use crate::wiring::router::HttpRouter;
use crate::wiring::services::SiteServices;

/// The driver, which has not yet asked anybody anything.
///
/// # Errors
/// Usage, for what a driver needs and is not said.
pub(crate) async fn driver(
    settings: &Settings,
    cluster: &Cluster,
    release: &ReleaseRef,
    newest: &Newest,
) -> Result<Arc<dyn Registry>, Failure> {
    let services = SiteServices::new(cluster.clone(), newest.clone());
    match &settings.registry {
        settings::Registry::Service => Ok(Arc::new(ServiceGate::new(release.clone(), services))),
        settings::Registry::None => Ok(Arc::new(Unmanaged)),
        settings::Registry::Postgres { dsn, table, redis } => {
            let model = match &settings.model {
                Some(model) => model.clone(),
                None => model_of(&*newest.record().await?)?.unwrap_or_default(),
            };
            Ok(Arc::new(PostgresRegistry::new(PostgresConfig {
                dsn: dsn.clone(),
                table: table.clone(),
                model,
                environment: settings.environment.clone().unwrap_or_default(),
                owner: Arc::new(services),
                cache: redis.as_ref().map(cache).transpose()?,
                router: router(settings)?,
            })?))
        }
    }
}

fn cache(redis: &settings::Redis) -> Result<Cache, Failure> {
    let mode = match redis.mode {
        RedisMode::Del => CacheMode::Delete,
        RedisMode::Wait => CacheMode::Wait(Cache::RUNBOOK_TTL),
    };
    Cache::new(&redis.url, mode)
}

fn router(settings: &Settings) -> Result<Option<Arc<dyn RouterProbe>>, Failure> {
    settings
        .router
        .as_ref()
        .map(|router| HttpRouter::new(router).map(|router| Arc::new(router) as Arc<dyn RouterProbe>))
        .transpose()
}

/// The model's place in traffic, for checks.
pub(crate) struct View(pub(crate) Arc<dyn Registry>);

#[async_trait]
impl TrafficView for View {
    async fn read(&self) -> Result<TrafficState, Failure> {
        self.0.read().await
    }
}
