//! The runbook's table on a real PostgreSQL, with a cache in a real Redis and two replicas of a router that reads both.

use std::collections::BTreeMap;
use std::slice;
use std::time::Duration;

use vllm_rollback_harness::databases::{PASSWORD, Postgres, Redis, free_port};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::names::Names;
use vllm_rollback_harness::relay::Relay;
use vllm_rollback_harness::router::{API_KEY, Keeps, Router};
use vllm_rollback_harness::testbed::HANG;
use vllm_rollback_harness::tool::Tool;
use vllm_rollback_harness::wait;

use super::cases::{assert_served, begin};
use super::door::{Door, Laggard};
use super::line::{self, Line};
use super::{OwnCase, TrafficBackend, Trouble, owned, two_revisions};
use crate::fixture::{MODEL, Model, SERVICE};

pub(super) const ENVIRONMENT: &str = "production";

/// The runbook's own system.
pub(super) struct Runbook {
    model: Model,
    postgres: Postgres,
    /// Between the tool and the database.
    relay: Relay,
    redis: Redis,
    routers: Vec<Router>,
    keeps: Keeps,
    directory: tempfile::TempDir,
}

/// How late the database is when it is slow: a connection takes a dozen answers.
const LATE: Duration = Duration::from_millis(200);

/// How the driver sets the row.
const CHANGE: &[&str] = &["SET \"deployment_status\"", "COMMIT"];

/// Seconds for which a router that lags keeps what it read.
const LAG: u32 = 3;

impl Runbook {
    /// With routers that keep what they read for so long.
    pub(super) fn start_with(hint: &str, major: Major, keeps: Keeps) -> Self {
        let model = two_revisions(hint, major);
        let (postgres, redis) = (Postgres::start(), Redis::start());
        postgres.register(MODEL, ENVIRONMENT, &endpoint(&model), Self::IN);
        let mut runbook = Self {
            relay: Relay::start(postgres.port()),
            model,
            postgres,
            redis,
            routers: Vec::new(),
            keeps,
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        runbook.routers = (0..2).map(|_| runbook.router(keeps)).collect();
        runbook
    }

    fn router(&self, keeps: Keeps) -> Router {
        let service = (endpoint(&self.model), self.model.namespace.client(SERVICE));
        let names = Names::follow(BTreeMap::from([service]));
        Router::start_with(&self.postgres, &self.redis, ENVIRONMENT, names, keeps)
    }

    /// The routers.
    pub(super) fn urls(&self) -> impl Iterator<Item = String> {
        self.routers.iter().map(Router::url)
    }

    /// Variables with which `psql` reaches the registry.
    pub(super) fn client_env(&self) -> Vec<(&'static str, String)> {
        self.postgres.client_env_at(self.relay.port())
    }

    /// The line to the database.
    pub(super) fn relay(&self) -> &[Relay] {
        slice::from_ref(&self.relay)
    }

    /// One of the routers, and one that lags behind it, besides what else the tool is told.
    pub(super) fn laggard(&self, mut arguments: Vec<String>) -> Laggard {
        let late = self.router(Keeps {
            remembered: LAG,
            ..self.keeps
        });
        arguments.extend(["--router-replica".to_owned(), late.url()]);
        Laggard {
            arguments,
            doors: [&self.routers[0], &late].map(door).into(),
            _kept: Some(late),
        }
    }

    /// A configuration that names this table.
    fn with_table(&self, table: &str) -> Vec<String> {
        let path = self.directory.path().join(format!("{table}.yaml"));
        let text = format!("registry: {{postgres: {{table: {table}}}}}\n");
        std::fs::write(&path, text).expect("a fresh directory is writable");
        let configuration = ["--config".to_owned(), path.to_string_lossy().into_owned()];
        [self.arguments(), configuration.into()].concat()
    }

    fn hold_the_row(&self) -> vllm_rollback_harness::process::Running {
        self.postgres.hold("select 1 from model_registry_entries for update")
    }
}

fn door(router: &Router) -> Door {
    Door::Router {
        url: router.url(),
        key: Some(API_KEY),
    }
}

/// Somebody works on the row and does not end.
fn locked_for_long(place: &Runbook) {
    begin(place);
    let revisions = place.model.statuses().len();
    let held = place.hold_the_row();
    let ran = place.run(&["rollback"], &["1", "--to-rejected", "--yes"]);
    drop(held);
    assert_eq!(ran.code, 1, "{}\n{}", ran.stdout, ran.stderr);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        said.contains("lock timeout") && said.contains("see who holds the row"),
        "{said}"
    );
    assert_eq!(place.model.statuses().len(), revisions, "nothing was rolled back");
    assert_eq!(place.state(), Runbook::IN);
    assert_served(place);
}

/// Somebody works on the row and ends soon.
fn locked_for_a_moment(place: &Runbook) {
    begin(place);
    let held = place.hold_the_row();
    let mut running = place.start_verb(&["registry", "disable"], &["--yes"]);
    wait::until("the tool at the lock", HANG, || {
        place.postgres.is_waited_for().then_some(())
    });
    drop(held);
    assert_eq!(running.wait(HANG), Some(0));
    assert_eq!(place.state(), Runbook::OUT);
    place.run(&["registry", "enable"], &["--yes"]).expect_code(0);
}

fn endpoint(model: &Model) -> String {
    format!("{SERVICE}.{}.svc.cluster.local:8000", model.namespace.name)
}

impl TrafficBackend for Runbook {
    const DRIVER: &'static str = "postgres";
    const IN: &'static str = "ready";
    const OUT: &'static str = "disabled";
    const OTHERS: &'static [&'static str] = &["disabled", "pending", "deploying", "degraded", "failed"];

    fn start(hint: &str, major: Major) -> Option<Self> {
        Some(Self::start_with(hint, major, Keeps::RUNBOOK))
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
            .env("REGISTRY_DSN", &self.postgres.url_at(self.relay.port()))
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
        let other_table = |what, says, table| Trouble {
            what,
            says,
            arguments: self.with_table(table),
            env: Vec::new(),
        };
        self.postgres.sql(&format!(
            "create table bare (); create view still as select distinct * from model_registry_entries; \
             create role busy login password '{PASSWORD}' connection limit 0"
        ));
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
            with(
                "a database that takes no more connections",
                "too many connections",
                "REGISTRY_DSN",
                self.postgres.url().replace("rollback:", "busy:"),
            ),
            other_table("a table that is not there", "does not exist", "nothing"),
            other_table("a table without columns", "has no column", "bare"),
            other_table("a view that cannot be changed", "name the table behind it", "still"),
            with("a wrong key for the router", "401", "ROUTER_KEY", "wrong".to_owned()),
        ]
    }
    fn line(&self, line: Line) {
        line::set(self.relay(), line, LATE, CHANGE);
    }

    fn laggard(&self) -> Option<Laggard> {
        Some(self.laggard(self.arguments()))
    }

    fn own_cases(&self) -> Vec<OwnCase<Self>> {
        vec![
            ("a row that somebody holds for long", locked_for_long),
            ("a row that somebody holds for a moment", locked_for_a_moment),
        ]
    }
}
