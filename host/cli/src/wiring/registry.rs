//! The registry driver of the settings.

use std::sync::Arc;

use vllm_rollback_cluster::Cluster;
use vllm_rollback_cluster::endpoints::ReleaseServices;
use vllm_rollback_cluster::routes::ReleaseRoutes;
use vllm_rollback_cluster::services::model_of;
use vllm_rollback_engine::CurrentRecord;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::ports::drivers::RouterClient;
use vllm_rollback_engine::release::ReleaseRef;
use vllm_rollback_registry::exec::{ExecConfig, Values};
use vllm_rollback_registry::litellm::LiteLlmConfig;
use vllm_rollback_registry::postgres::{Cache, CacheMode, PostgresConfig};
use vllm_rollback_registry::route::RouteConfig;
use vllm_rollback_registry::vllm_router::VllmRouterConfig;
use vllm_rollback_registry::{
    Composite, ExecRegistry, LiteLlm, Noop, PostgresRegistry, RouteWeights, ServiceGate, VllmRouter,
};

use crate::args::traffic::RedisMode;
use crate::config::registry as chosen;
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
    let mut drivers = Vec::new();
    for registry in &settings.registries {
        drivers.push(build_one(registry, settings, cluster, release, current).await?);
    }
    match drivers.pop() {
        Some(only) if drivers.is_empty() => Ok(Arc::from(only)),
        last => {
            drivers.extend(last);
            Ok(Arc::new(Composite::new(drivers)))
        }
    }
}

async fn build_one(
    registry: &chosen::Registry,
    settings: &Settings,
    cluster: &Cluster,
    release: &ReleaseRef,
    current: &CurrentRecord,
) -> Result<Box<dyn Registry>, Failure> {
    let services = ReleaseServices::new(cluster.clone(), current.clone());
    match registry {
        chosen::Registry::Service => Ok(Box::new(ServiceGate::new(release.clone(), services))),
        chosen::Registry::None => Ok(Box::new(Noop)),
        chosen::Registry::Postgres {
            dsn,
            table,
            columns,
            statuses,
            redis,
        } => Ok(Box::new(PostgresRegistry::new(PostgresConfig {
            dsn: dsn.clone(),
            table: table.clone(),
            columns: columns.clone(),
            statuses: statuses.clone(),
            model: model(settings, current).await?,
            environment: settings.environment.clone().unwrap_or_default(),
            owner: Arc::new(services),
            cache: redis.as_ref().map(cache).transpose()?,
            router: router::link(settings, cluster)?,
        })?)),
        chosen::Registry::Exec(exec) => Ok(Box::new(ExecRegistry::new(ExecConfig {
            commands: exec.commands.clone(),
            values: Values {
                model: model(settings, current).await?,
                environment: settings.environment.clone(),
                release: release.name.clone(),
                namespace: release.namespace.clone(),
            },
            surroundings: exec.surroundings.clone(),
            visible_after: exec.visible_after,
            owner: Arc::new(services),
            router: router::link(settings, cluster)?,
        })?)),
        chosen::Registry::LiteLlm => Ok(Box::new(LiteLlm::new(LiteLlmConfig {
            link: require_router(router::link(settings, cluster)?)?,
            owner: Arc::new(services.clone()),
            marks: Arc::new(services),
        }))),
        chosen::Registry::VllmRouter => Ok(Box::new(VllmRouter::new(VllmRouterConfig {
            link: require_router(router::link(settings, cluster)?)?,
            owner: Arc::new(services.clone()),
            marks: Arc::new(services),
            model: model(settings, current).await?,
        }))),
        chosen::Registry::Route { named } => Ok(Box::new(RouteWeights::new(RouteConfig {
            release: release.clone(),
            routes: Arc::new(ReleaseRoutes::new(cluster.clone(), current.clone())),
            named: named.iter().map(|name| name.seen_from(&release.namespace)).collect(),
            owner: Arc::new(services),
            link: require_router(router::link(settings, cluster)?)?,
            model: model(settings, current).await?,
        }))),
    }
}

/// The settings have a place for a driver that is a router.
fn require_router(link: Option<Arc<dyn RouterClient>>) -> Result<Arc<dyn RouterClient>, Failure> {
    link.ok_or_else(|| Failure::new(FailureKind::Internal, "a router without a place"))
}

/// What clients ask for: as set, else as the release says.
async fn model(settings: &Settings, current: &CurrentRecord) -> Result<String, Failure> {
    match &settings.model {
        Some(model) => Ok(model.clone()),
        None => Ok(model_of(&*current.record().await?)?.unwrap_or_default()),
    }
}

fn cache(redis: &chosen::Redis) -> Result<Cache, Failure> {
    let mode = match redis.mode {
        RedisMode::Del => CacheMode::Delete,
        RedisMode::Wait => CacheMode::Wait(Cache::RUNBOOK_TTL),
    };
    Cache::new(&redis.url, mode)
}
