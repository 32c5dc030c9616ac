//! Which endpoint a model has: the fixed ones, then Redis, then the table.

use crate::args::Args;
use crate::error::Refusal;
use redis::AsyncCommands as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_postgres::NoTls;

/// How long a database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an endpoint was found. Its name is the value of `X-Routing-Decision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Static,
    Cache,
    Registry,
}

impl Decision {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Cache => "cache",
            Self::Registry => "registry",
        }
    }
}

/// A row as it is kept in Redis; the names are those of the router's Go struct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "ModelID")]
    model_id: String,
    model_name: String,
    deployment_endpoint: String,
    deployment_status: String,
    deployment_environment: String,
    deployment_namespace: String,
    last_health_check_at: Option<String>,
    updated_at: String,
}

/// Times are given as RFC 3339 in UTC, as Go writes them.
const FIND: &str = r#"
    SELECT model_id::text, model_name, deployment_endpoint, deployment_status, deployment_environment,
           coalesce(deployment_namespace, ''),
           to_char(last_health_check_at AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           to_char(updated_at AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    FROM model_registry_entries
    WHERE model_name = $1 AND deployment_environment = $2"#;

/// Finds endpoints.
#[derive(Debug)]
pub(crate) struct Registry {
    args: Args,
    /// Endpoints by model, and when each was read.
    memory: Mutex<BTreeMap<String, (String, Instant)>>,
}

impl Registry {
    pub(crate) fn new(args: Args) -> Self {
        Self {
            args,
            memory: Mutex::default(),
        }
    }

    /// The endpoint (host:port) of a model that may be routed to.
    pub(crate) async fn endpoint(&self, model: &str) -> Result<(String, Decision), Refusal> {
        if let Some(fixed) = self.args.fixed.iter().find(|fixed| fixed.name == model) {
            return Ok((fixed.address.to_string(), Decision::Static));
        }
        if let Some(endpoint) = self.remembered(model) {
            return Ok((endpoint, Decision::Cache));
        }
        // As in the contract a kept row is believed without a look at the table: a disabled model is routed to until
        // the key expires or is deleted.
        let (endpoint, decision) = match self.cached(model).await {
            Some(entry) => (entry.deployment_endpoint, Decision::Cache),
            None => {
                let entry = self.ready_row(model).await?;
                self.keep(&entry).await;
                (entry.deployment_endpoint, Decision::Registry)
            }
        };
        let now = (endpoint.clone(), Instant::now());
        self.memory().insert(model.to_owned(), now);
        Ok((endpoint, decision))
    }

    fn remembered(&self, model: &str) -> Option<String> {
        let time = Duration::from_secs(self.args.memory_ttl);
        let (endpoint, read) = self.memory().get(model)?.clone();
        (read.elapsed() < time).then_some(endpoint)
    }

    fn memory(&self) -> MutexGuard<'_, BTreeMap<String, (String, Instant)>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the database answers; without one there is nothing to wait for.
    pub(crate) async fn ready(&self) -> Result<(), Refusal> {
        match &self.args.postgres {
            Some(_) => self.row("").await.map(|_| ()),
            None => Ok(()),
        }
    }

    async fn ready_row(&self, model: &str) -> Result<Entry, Refusal> {
        let (model, environment) = (model.to_owned(), self.args.environment.clone());
        let Some(row) = self.row(&model).await? else {
            return Err(Refusal::Unknown { model, environment });
        };
        let endpoint: Option<String> = row.get(2);
        let status: Option<String> = row.get(3);
        match (endpoint, status) {
            (Some(deployment_endpoint), Some(deployment_status)) if deployment_status == "ready" => Ok(Entry {
                model_id: row.get(0),
                model_name: row.get(1),
                deployment_endpoint,
                deployment_status,
                deployment_environment: row.get(4),
                deployment_namespace: row.get(5),
                last_health_check_at: row.get(6),
                updated_at: row.get(7),
            }),
            (None, _) => Err(Refusal::NotReady {
                model,
                environment,
                status: "without endpoint".to_owned(),
            }),
            (_, status) => {
                let status = status.unwrap_or_else(|| "without status".to_owned());
                Err(Refusal::NotReady {
                    model,
                    environment,
                    status,
                })
            }
        }
    }

    async fn row(&self, model: &str) -> Result<Option<tokio_postgres::Row>, Refusal> {
        let Some(url) = &self.args.postgres else {
            return Ok(None);
        };
        let query = async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            let connection = tokio::spawn(connection);
            let row = client.query_opt(FIND, &[&model, &self.args.environment]).await;
            drop(client);
            // The connection ends with its client; what it ends with says no more than the query did.
            let _ = connection.await;
            row
        };
        match timeout(PATIENCE, query).await {
            Ok(Ok(row)) => Ok(row),
            Ok(Err(error)) => Err(Refusal::Registry(error.to_string())),
            Err(_) => Err(Refusal::Registry(format!("no answer in {PATIENCE:?}"))),
        }
    }

    fn key(&self, model: &str) -> String {
        format!("model_registry:{}:{model}", self.args.environment)
    }

    /// A Redis that does not answer, or keeps something else under the key, counts as one that has nothing.
    async fn cached(&self, model: &str) -> Option<Entry> {
        let mut redis = self.redis().await?;
        let kept: Option<String> = timeout(PATIENCE, redis.get(self.key(model))).await.ok()?.ok()?;
        serde_json::from_str(&kept?).ok()
    }

    async fn keep(&self, entry: &Entry) {
        let (Some(mut redis), Ok(json)) = (self.redis().await, serde_json::to_string(entry)) else {
            return;
        };
        let set = redis.set_ex::<_, _, ()>(self.key(&entry.model_name), json, self.args.cache_ttl);
        // What was not kept is looked up again.
        let _ = timeout(PATIENCE, set).await;
    }

    async fn redis(&self) -> Option<redis::aio::MultiplexedConnection> {
        let url = self.args.redis.as_deref().filter(|_| self.args.cache_ttl > 0)?;
        let client = redis::Client::open(url).ok()?;
        timeout(PATIENCE, client.get_multiplexed_async_connection())
            .await
            .ok()?
            .ok()
    }
}
