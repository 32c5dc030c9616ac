//! One PostgreSQL and one Redis for all tests that run at the same time, and a model of its own for each.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::drivers::{ReleaseEndpoints, RouterClient};
use vllm_rollback_engine::traffic::{Keep, Stop, TrafficState};
use vllm_rollback_harness::databases::{Postgres, Redis};
use vllm_rollback_objects::http::{Request, Response};
use vllm_rollback_objects::pod::PodEndpoint;
use vllm_rollback_objects::service::Service;
use vllm_rollback_registry::Statuses;
use vllm_rollback_registry::drivers::postgres::{
    Cache, CacheMode, Columns, Dsn, PostgresConfig, PostgresRegistry, Table,
};

/// Enough for what happens at once.
pub(crate) const SOON: Duration = Duration::from_secs(10);

const ENVIRONMENT: &str = "production";
const ENDPOINT: &str = "llama.ml.svc.cluster.local:8000";

/// The servers; they end with the last test that holds them.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
}

/// The servers that run already, or new ones.
pub(crate) fn share() -> Arc<Servers> {
    static RUNNING: Mutex<Weak<Servers>> = Mutex::new(Weak::new());
    let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    running.upgrade().unwrap_or_else(|| {
        let servers = Arc::new(Servers {
            postgres: Postgres::start(),
            redis: Redis::start(),
        });
        *running = Arc::downgrade(&servers);
        servers
    })
}

/// A model with a row of its own.
pub(crate) struct Model {
    servers: Arc<Servers>,
    name: String,
}

impl Model {
    pub(crate) fn register(servers: &Arc<Servers>, name: &str, status: &str) -> Self {
        Self::register_at(servers, name, status, ENDPOINT)
    }

    pub(crate) fn register_at(servers: &Arc<Servers>, name: &str, status: &str, endpoint: &str) -> Self {
        servers.postgres.register(name, ENVIRONMENT, endpoint, status);
        Self {
            servers: Arc::clone(servers),
            name: name.to_owned(),
        }
    }

    pub(crate) fn status(&self) -> String {
        self.servers.postgres.status(&self.name, ENVIRONMENT)
    }

    pub(crate) fn set(&self, status: &str) {
        let name = &self.name;
        self.sql(&format!(
            "update model_registry_entries set deployment_status = '{status}' where model_name = '{name}'"
        ));
    }

    pub(crate) fn sql(&self, sql: &str) -> String {
        self.servers.postgres.sql(sql)
    }

    pub(crate) fn driver(&self) -> PostgresRegistry {
        PostgresRegistry::new(self.config()).unwrap()
    }

    pub(crate) fn driver_with_cache(&self, mode: CacheMode) -> PostgresRegistry {
        let url = Dsn::new(&self.servers.redis.url(), "$CACHE").unwrap();
        let cache = Some(Cache::new(&url, mode).unwrap());
        PostgresRegistry::new(PostgresConfig { cache, ..self.config() }).unwrap()
    }

    /// A router that gives these answers in turn, the last one for ever.
    pub(crate) fn driver_with_router(&self, answers: Vec<Response>) -> PostgresRegistry {
        let router = Some(Arc::new(Script(Mutex::new(answers))) as Arc<dyn RouterClient>);
        PostgresRegistry::new(PostgresConfig {
            router,
            ..self.config()
        })
        .unwrap()
    }

    /// Puts an entry into the cache as a router does; 0 seconds means for ever.
    pub(crate) fn cache_for(&self, seconds: u32) {
        let (key, ttl) = (self.key(), seconds.to_string());
        match seconds {
            0 => self.servers.redis.command(&["SET", &key, "{}"]),
            _ => self.servers.redis.command(&["SET", &key, "{}", "EX", &ttl]),
        };
    }

    pub(crate) fn is_cached(&self) -> bool {
        self.servers.redis.command(&["EXISTS", &self.key()]) == "1"
    }

    fn key(&self) -> String {
        format!("model_registry:{ENVIRONMENT}:{}", self.name)
    }

    fn config(&self) -> PostgresConfig {
        config(dsn(&self.servers), &self.name, ENVIRONMENT)
    }
}

pub(crate) fn dsn(servers: &Servers) -> Dsn {
    Dsn::new(&servers.postgres.url(), "$DSN").unwrap()
}

pub(crate) fn config(dsn: Dsn, model: &str, environment: &str) -> PostgresConfig {
    PostgresConfig {
        dsn,
        table: Table::default(),
        columns: Columns::default(),
        statuses: Statuses::default(),
        model: model.to_owned(),
        environment: environment.to_owned(),
        owner: owner(),
        cache: None,
        router: None,
    }
}

/// Release `llama` in namespace `ml`.
pub(crate) fn owner() -> Arc<dyn ReleaseEndpoints> {
    Arc::new(Release)
}

struct Release;

#[async_trait]
impl ReleaseEndpoints for Release {
    async fn services(&self) -> Result<Vec<Service>, Failure> {
        Ok(vec![Service {
            name: "llama".into(),
            namespace: "ml".into(),
            ports: vec![8000],
            ..Service::default()
        }])
    }

    async fn pods(&self) -> Result<Vec<PodEndpoint>, Failure> {
        Ok(Vec::new())
    }
}

struct Script(Mutex<Vec<Response>>);

#[async_trait]
impl RouterClient for Script {
    async fn replicas(&self) -> Result<Vec<String>, Failure> {
        Ok(vec!["http://router".to_owned()])
    }

    async fn send(&self, _replica: &str, _request: &Request) -> Result<Response, Failure> {
        let mut replies = self.0.lock().unwrap();
        Ok(if replies.len() > 1 {
            replies.remove(0)
        } else {
            replies[0].clone()
        })
    }
}

/// A stop that keeps nothing in traffic.
pub(crate) fn whole(prior: &TrafficState) -> Stop<'_> {
    Stop::new(prior, Keep::Nothing)
}
