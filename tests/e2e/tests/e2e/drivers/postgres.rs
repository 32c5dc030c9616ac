//! The runbook's table on a real PostgreSQL, with a cache in a real Redis and two replicas of a router that reads both.

use std::collections::BTreeMap;

use vllm_rollback_harness::databases::{PASSWORD, Postgres, Redis, free_port};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::names::Names;
use vllm_rollback_harness::router::{API_KEY, Router};
use vllm_rollback_harness::tool::Tool;

use super::door::Door;
use super::{Place, Trouble, owned, two_revisions};
use crate::fixture::{MODEL, Model, SERVICE};

pub(super) const ENVIRONMENT: &str = "production";

/// The runbook's own system.
pub(super) struct Runbook {
    model: Model,
    postgres: Postgres,
    redis: Redis,
    routers: Vec<Router>,
}

/// Seconds that the runbook's routers keep what they read.
const CACHE_SECONDS: u32 = 120;

impl Runbook {
    /// With routers that keep what they read for so long.
    pub(super) fn start_with(hint: &str, major: Major, cache_seconds: u32) -> Self {
        let model = two_revisions(hint, major);
        let (postgres, redis) = (Postgres::start(), Redis::start());
        postgres.register(MODEL, ENVIRONMENT, &endpoint(&model), Self::IN);
        let routers = (0..2)
            .map(|_| {
                let service = (endpoint(&model), model.namespace.client(SERVICE));
                let names = Names::follow(BTreeMap::from([service]));
                Router::start_with(&postgres, &redis, ENVIRONMENT, names, cache_seconds)
            })
            .collect();
        Self {
            model,
            postgres,
            redis,
            routers,
        }
    }

    /// The routers.
    pub(super) fn urls(&self) -> impl Iterator<Item = String> {
        self.routers.iter().map(Router::url)
    }

    /// Variables with which `psql` reaches the registry.
    pub(super) fn client_env(&self) -> Vec<(&'static str, String)> {
        self.postgres.client_env()
    }
}

fn endpoint(model: &Model) -> String {
    format!("{SERVICE}.{}.svc.cluster.local:8000", model.namespace.name)
}

impl Place for Runbook {
    const DRIVER: &'static str = "postgres";
    const IN: &'static str = "ready";
    const OUT: &'static str = "disabled";
    const OTHERS: &'static [&'static str] = &["disabled", "pending", "deploying", "degraded", "failed"];

    fn start(hint: &str, major: Major) -> Option<Self> {
        Some(Self::start_with(hint, major, CACHE_SECONDS))
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn arguments(&self) -> Vec<String> {
        let mut words = owned(&["--registry", "postgres", "--model", MODEL, "--environment", ENVIRONMENT]);
        words.extend(owned(&[
            "--postgres-dsn-env",
            "REGISTRY_DSN",
            "--redis-url-env",
            "CACHE_URL",
        ]));
        words.extend(owned(&["--router-key-env", "ROUTER_KEY"]));
        for url in self.urls() {
            words.extend(["--router-replica".to_owned(), url]);
        }
        words
    }

    fn tool(&self) -> Tool {
        self.model
            .tool()
            .env("REGISTRY_DSN", &self.postgres.url())
            .env("CACHE_URL", &self.redis.url())
            .env("ROUTER_KEY", API_KEY)
    }

    fn state(&self) -> String {
        self.postgres.status(MODEL, ENVIRONMENT)
    }

    fn set(&self, word: &str) {
        self.postgres.sql(&format!(
            "update model_registry_entries set deployment_status = '{word}'"
        ));
        self.redis.command(&["FLUSHDB"]);
    }

    fn doors(&self) -> Vec<Door> {
        let door = |router: &Router| Door::Router {
            url: router.url(),
            key: Some(API_KEY),
        };
        self.routers.iter().map(door).collect()
    }

    fn give_away(&self, away: bool) {
        let endpoint = if away {
            "other.system:8000".to_owned()
        } else {
            endpoint(&self.model)
        };
        self.postgres.sql(&format!(
            "update model_registry_entries set deployment_endpoint = '{endpoint}'"
        ));
        self.redis.command(&["FLUSHDB"]);
    }

    fn troubles(&self) -> Vec<Trouble> {
        let with = |what, says, key, value: String| Trouble {
            what,
            says,
            arguments: self.arguments(),
            env: vec![(key, value)],
        };
        let nobody = free_port();
        let dsn = |place: String| format!("postgres://rollback:{PASSWORD}@{place}/models");
        vec![
            with(
                "no database there",
                "no connection to the registry",
                "REGISTRY_DSN",
                dsn(format!("127.0.0.1:{nobody}")),
            ),
            with(
                "a wrong password",
                "password authentication failed",
                "REGISTRY_DSN",
                self.postgres.url().replace(PASSWORD, "wrong"),
            ),
            with(
                "no cache there",
                "Redis",
                "CACHE_URL",
                format!("redis://127.0.0.1:{nobody}/0"),
            ),
            with("a wrong key for the router", "401", "ROUTER_KEY", "wrong".to_owned()),
        ]
    }
}
