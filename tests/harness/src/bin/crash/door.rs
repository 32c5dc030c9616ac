//! What keeps clients out of a model: the gate of its Service, or its row in the runbook's registry, which a router reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vllm_rollback_harness::api::Api;
use vllm_rollback_harness::client::ModelClient;
use vllm_rollback_harness::databases::{Postgres, Redis};
use vllm_rollback_harness::http;
use vllm_rollback_harness::names::Names;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::router::{API_KEY, Router};
use vllm_rollback_harness::testbed::Testbed;
use vllm_rollback_harness::tool::Tool;

use crate::point::SERVICE;

/// The registry's environment.
const ENVIRONMENT: &str = "production";

/// The key that keeps a Service's gate closed.
const GATE: &str = "rollback.vllm/gate";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// The Service's gate.
    Service,
    /// A row in PostgreSQL, cached in Redis.
    Postgres,
}

impl Driver {
    pub(crate) const BOTH: [Self; 2] = [Self::Service, Self::Postgres];
}

/// What all points share.
pub(crate) struct Site {
    pub(crate) testbed: Testbed,
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) redis: Arc<Redis>,
}

/// The door of one model, as somebody sees it who knows nothing of the tool.
#[derive(Clone)]
pub(crate) struct Door {
    api: Api,
    client: ModelClient,
    service: String,
    /// What clients ask for: a name of its own at each point, since all share one registry.
    model: String,
    row: Option<Row>,
}

#[derive(Clone)]
struct Row {
    postgres: Arc<Postgres>,
    redis: Arc<Redis>,
    router: Arc<Router>,
}

impl Door {
    /// Open, with a router in front where the driver has one.
    pub(crate) fn open(site: &Site, namespace: &Namespace<'_>, driver: Driver) -> Self {
        let client = namespace.client(SERVICE);
        let row = (driver == Driver::Postgres).then(|| {
            let endpoint = format!("{SERVICE}.{}.svc.cluster.local:8000", namespace.name);
            site.postgres.register(&namespace.name, ENVIRONMENT, &endpoint, "ready");
            let names = Names::follow(BTreeMap::from([(endpoint, client.clone())]));
            let router = Router::start(&site.postgres, &site.redis, ENVIRONMENT, names);
            Row {
                postgres: Arc::clone(&site.postgres),
                redis: Arc::clone(&site.redis),
                router: Arc::new(router),
            }
        });
        Self {
            api: site.testbed.api(),
            client,
            service: format!("/api/v1/namespaces/{}/services/{SERVICE}", namespace.name),
            model: namespace.name.clone(),
            row,
        }
    }

    /// What the tool must be told of it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Some(row) = &self.row else {
            return Vec::new();
        };
        let url = row.router.url();
        let words = [
            ["--registry", "postgres"],
            ["--model", &self.model],
            ["--environment", ENVIRONMENT],
            ["--postgres-dsn-env", "REGISTRY_DSN"],
            ["--redis-url-env", "CACHE_URL"],
            ["--router-url", &url],
            ["--router-key-env", "ROUTER_KEY"],
        ];
        words.concat().into_iter().map(str::to_owned).collect()
    }

    /// The tool with the credentials for it.
    pub(crate) fn known_to(&self, tool: Tool) -> Tool {
        match &self.row {
            None => tool,
            Some(row) => tool
                .env("REGISTRY_DSN", &row.postgres.url())
                .env("CACHE_URL", &row.redis.url())
                .env("ROUTER_KEY", API_KEY),
        }
    }

    /// Whether clients are kept out, as the registry says; none when it could not be asked.
    pub(crate) fn is_closed(&self) -> Option<bool> {
        match &self.row {
            Some(row) => Some(row.postgres.status(&self.model, ENVIRONMENT) != "ready"),
            None => {
                let service = self.api.get(&self.service)?;
                Some(service["spec"]["selector"][GATE].is_string())
            }
        }
    }

    /// What a client gets: the text of a completion, or nothing.
    pub(crate) fn answer(&self) -> Option<String> {
        let Some(row) = &self.row else {
            let answer = self.client.complete(&self.model);
            return answer.is_served().then_some(answer.text);
        };
        let body = json!({"model": self.model, "prompt": "Who are you?", "max_tokens": 16, "temperature": 0});
        let url = format!("{}/v1/completions", row.router.url());
        let (status, body) = http::post(&url, Some(API_KEY), &body, Duration::from_secs(10)).ok()?;
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        (status == 200).then(|| answer["choices"][0]["text"].as_str().unwrap_or_default().to_owned())
    }

    /// `address:port` of each pod that the Service leads to.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.client.endpoints()
    }
}
