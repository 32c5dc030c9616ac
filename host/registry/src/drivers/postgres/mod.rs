//! The runbook's registry: a table in PostgreSQL that routers read, often through a cache in Redis.
//!
//! The row is changed only from the state it was read in (row lock and compare-and-set), and put back to exactly that
//! state: `degraded` stays `degraded`. A row of another release is refused. Stopped means: the row is not `ready`, no
//! cache entry is left, and the router, when one is configured, refuses the model.

mod cache;
mod columns;
mod dsn;
mod errors;
mod row;
mod settings;
mod target;
mod tls;
mod value;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::ports::drivers::{ReleaseEndpoints, RouterClient};
use vllm_rollback_engine::traffic::{Stop, TrafficState, TrafficStatus};

pub use cache::{Cache, CacheMode};
pub use columns::{Column, Columns, Table};
pub use dsn::Dsn;
pub(crate) use settings::Settings;
pub use settings::{CacheKeys, Flags, Keys, RedisMode};

use crate::driver_state::decode;
use crate::release_endpoints::assert_own;
use crate::router::{self, Expected};
use crate::status::{DriverState, Statuses};
use row::{Change, Row, Rows, word};
use target::Target;

/// Settings of the driver.
pub struct PostgresConfig {
    /// Connection string of the database.
    pub dsn: Dsn,
    /// Table with a row for each model.
    pub table: Table,
    /// The table's columns.
    pub columns: Columns,
    /// The table's words for in and out of traffic.
    pub statuses: Statuses,
    /// The model's name in the registry.
    pub model: String,
    /// The environment in the registry; empty where the table has no column for it.
    pub environment: String,
    /// The release's Services: a row that points elsewhere is another's.
    pub owner: Arc<dyn ReleaseEndpoints>,
    /// The routers' cache, when they have one.
    pub cache: Option<Cache>,
    /// The router to ask, when one is known.
    pub router: Option<Arc<dyn RouterClient>>,
}

/// The driver.
pub struct PostgresRegistry {
    rows: Rows,
    statuses: Statuses,
    owner: Arc<dyn ReleaseEndpoints>,
    cache: Option<Cache>,
    router: Option<Arc<dyn RouterClient>>,
}

impl DriverState {
    fn row(&self, status: Option<&str>) -> Row {
        Row {
            status: status.map(str::to_owned),
            endpoint: self.endpoint.clone(),
            namespace: None,
        }
    }
}

impl PostgresRegistry {
    /// Checks what it is told; connects later.
    ///
    /// # Errors
    /// `Usage` for a connection string, certificate file or name that cannot be used.
    pub fn new(config: PostgresConfig) -> Result<Self, Failure> {
        // A cache's keys hold the environment, whether the table does or not.
        let needs_environment = config.columns.deployment_environment.is_some() || config.cache.is_some();
        for (what, value, is_needed) in [
            ("model", &config.model, true),
            ("environment", &config.environment, needs_environment),
        ] {
            if is_needed && value.trim().is_empty() {
                return Err(
                    Failure::usage(format!("the registry needs the name of the {what}")).next(format!("--{what} NAME"))
                );
            }
        }
        let target = Target::parse(&config.dsn)?;
        let tls = tls::connector(&target)?;
        let PostgresConfig {
            table,
            columns,
            statuses,
            model,
            environment,
            owner,
            cache,
            router,
            ..
        } = config;
        Ok(Self {
            rows: Rows {
                target,
                tls,
                table,
                columns,
                model,
                environment,
            },
            statuses,
            owner,
            cache,
            router,
        })
    }

    fn key(&self) -> String {
        format!("model_registry:{}:{}", self.rows.environment, self.rows.model)
    }

    fn evidence(&self, row: &Row) -> String {
        format!(
            "registry row of {} at {}: status {}, endpoint {}",
            self.rows,
            self.rows.target.place(),
            word(row.status.as_deref()),
            row.endpoint.as_deref().unwrap_or("(null)")
        )
    }

    fn changed(&self, row: &Row) -> Failure {
        Failure::conflict(format!(
            "the registry's row of {} was changed by somebody else",
            self.rows
        ))
        .because(self.evidence(row))
        .next("check who else changes this model, then run again")
    }

    /// A change of the cache that did not work is caught by the proof that follows.
    async fn drop_cache_entry(&self) {
        if let Some(cache) = &self.cache
            && let Err(failure) = cache.drop_entry(&self.key()).await
        {
            tracing::debug!("the cache entry was not dropped: {failure}");
        }
    }
}

#[async_trait]
impl Registry for PostgresRegistry {
    fn driver(&self) -> &'static str {
        "postgres"
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        let row = self.rows.read().await?;
        let what = format!("the registry's row of {}", self.rows);
        let owner = self.owner.as_ref();
        assert_own(owner, &what, row.endpoint.as_deref(), row.namespace.as_deref()).await?;
        let evidence = self.evidence(&row);
        Ok(self.statuses.found(self.driver(), row.status, row.endpoint, evidence))
    }

    async fn preflight(&self) -> Result<(), Failure> {
        self.rows.rehearse(self.statuses.disabled()).await?;
        router::preflight(self.router.as_deref(), &self.rows.model).await?;
        if let Some(cache) = &self.cache {
            cache.assert_reachable().await?;
        }
        Ok(())
    }

    async fn stop(&self, stop: &Stop<'_>) -> Result<(), WriteError> {
        let token: DriverState = decode(self.driver(), stop.prior).map_err(WriteError::Rejected)?;
        let expected = token.row(token.status.as_deref());
        if let Change::Unexpected(row) = self.rows.change(&expected, Some(self.statuses.disabled())).await? {
            return Err(WriteError::Rejected(self.changed(&row)));
        }
        self.drop_cache_entry().await;
        Ok(())
    }

    async fn confirm_stopped(&self, _: &Stop<'_>, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let row = self.rows.read().await?;
        if row.status.as_deref() == Some(self.statuses.ready()) {
            return Err(self.changed(&row));
        }
        let mut lines = vec![self.evidence(&row)];
        match &self.cache {
            Some(cache) => lines.push(cache.confirm_gone(&self.key(), end).await?),
            None => lines.push("no cache is configured: a router that caches may still send requests".to_owned()),
        }
        if self.router.is_none() {
            lines.push("no router is configured, so none was asked".to_owned());
        }
        lines.extend(router::confirm(self.router.as_deref(), &self.rows.model, Expected::Refuse, end).await?);
        Ok(lines)
    }

    async fn restore(&self, prior: &TrafficState) -> Result<(), WriteError> {
        let token: DriverState = decode(self.driver(), prior).map_err(WriteError::Rejected)?;
        match self
            .rows
            .change(&token.row(Some(self.statuses.from(&token))), token.status.as_deref())
            .await?
        {
            Change::Unexpected(row) => Err(WriteError::Rejected(self.changed(&row))),
            Change::Made => {
                self.drop_cache_entry().await;
                Ok(())
            }
            Change::Already => Ok(()),
        }
    }

    async fn confirm_resumed(&self, prior: &TrafficState, deadline: Duration) -> Result<Vec<String>, Failure> {
        let end = Instant::now() + deadline;
        let token: DriverState = decode(self.driver(), prior)?;
        let row = self.rows.read().await?;
        if row.status != token.status || row.endpoint != token.endpoint {
            return Err(self.changed(&row));
        }
        let mut lines = vec![self.evidence(&row)];
        if prior.status == TrafficStatus::Enabled {
            lines.extend(router::confirm(self.router.as_deref(), &self.rows.model, Expected::Serve, end).await?);
        }
        Ok(lines)
    }

    fn enabled(&self, now: &TrafficState) -> Result<TrafficState, Failure> {
        self.statuses.enabled(self.driver(), now)
    }
}
