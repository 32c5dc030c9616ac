//! The runbook's registry: a table in PostgreSQL, a cache in Redis, a router that reads both.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use vllm_rollback_engine::check::{Outcome, Phase};
use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::databases::{PASSWORD, Postgres, Redis};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::http;
use vllm_rollback_harness::names::Names;
use vllm_rollback_harness::router::{API_KEY, Router};
use vllm_rollback_harness::tool::{Ran, Tool};

use crate::fixture::{CRASH, MODEL, Model, RELEASE, SERVICE, assert_restored};
use crate::on_both_helms;

/// The registry's environment of all cases.
const ENVIRONMENT: &str = "production";

/// Which row of which registry the tool works on; the variable holds how to reach it.
pub(super) const REGISTRY: [&str; 8] = [
    "--registry",
    "postgres",
    "--model",
    MODEL,
    "--environment",
    ENVIRONMENT,
    "--postgres-dsn-env",
    "REGISTRY_DSN",
];

/// A model behind the runbook's registry and router.
pub(super) struct Registered {
    pub(super) model: Model,
    postgres: Postgres,
    redis: Redis,
    router: Router,
}

impl Registered {
    pub(super) fn crashed(hint: &str, major: Major, set: &[&str]) -> Self {
        let model = Model::good_with(hint, major, set);
        let (postgres, redis) = (Postgres::start(), Redis::start());
        let endpoint = endpoint(&model);
        postgres.register(MODEL, ENVIRONMENT, &endpoint, "ready");
        let names = Names::follow(BTreeMap::from([(endpoint, model.namespace.client(SERVICE))]));
        let router = Router::start(&postgres, &redis, ENVIRONMENT, names);
        model.upgrade(2, &[&[CRASH], set].concat());
        Self {
            model,
            postgres,
            redis,
            router,
        }
    }

    pub(super) fn tool(&self) -> Tool {
        self.model
            .tool()
            .env("REGISTRY_DSN", &self.postgres.url())
            .env("CACHE_URL", &self.redis.url())
            .env("ROUTER_KEY", API_KEY)
    }

    fn rollback(&self, more: &[&str]) -> Ran {
        self.rollback_with(&self.tool(), &[&REGISTRY[..], more].concat())
    }

    /// Rolls back with these arguments, the cache and the router.
    pub(super) fn rollback_with(&self, tool: &Tool, args: &[&str]) -> Ran {
        let url = self.router.url();
        let cache = [
            "--redis-url-env",
            "CACHE_URL",
            "--router-url",
            &url,
            "--router-key-env",
            "ROUTER_KEY",
        ];
        tool.rollback(RELEASE, &[args, &cache[..]].concat())
    }

    pub(super) fn status(&self) -> String {
        self.postgres.status(MODEL, ENVIRONMENT)
    }

    /// What a client of the router gets.
    pub(super) fn ask_router(&self) -> u16 {
        let body = json!({"model": MODEL, "prompt": "hello", "max_tokens": 4});
        let url = format!("{}/v1/completions", self.router.url());
        http::post(&url, Some(API_KEY), &body, Duration::from_secs(10)).map_or(0, |(status, _)| status)
    }
}

fn endpoint(model: &Model) -> String {
    format!("{SERVICE}.{}.svc.cluster.local:8000", model.namespace.name)
}

on_both_helms!(
    the_row_is_disabled_through_the_run_and_ready_again_after_the_routed_check,
    |major| {
        let registered = Registered::crashed("pg", major, &[]);
        let ran = registered.rollback(&[]).expect_code(0);
        let report = ran.report();
        assert_restored(&report, 1);
        assert_eq!(registered.status(), "ready");
        let routed = report
            .checks
            .iter()
            .find(|check| check.check == "router-e2e")
            .expect("the routed check ran");
        assert_eq!(
            (routed.phase, routed.outcome),
            (Phase::Routed, Outcome::Pass),
            "{routed:?}"
        );
        assert_eq!(registered.ask_router(), 200);
        assert!(
            !format!("{}{}", ran.stdout, ran.stderr).contains(PASSWORD),
            "the password is in the output"
        );
        assert!(
            !format!("{}{}", ran.stdout, ran.stderr).contains(API_KEY),
            "the router's key is in the output"
        );
    }
);

#[test]
fn a_failing_routed_check_takes_the_model_out_of_traffic_again() {
    let registered = Registered::crashed("routedfails", Major::Four, &[]);
    let plugin = vllm_rollback_harness::paths::test_plugin("always-fails-routed");
    let report = registered
        .rollback(&["--plugin", &plugin.to_string_lossy()])
        .expect_code(10)
        .report();
    assert_eq!(report.outcome, StateName::Held);
    assert!(
        report.states.iter().any(|state| state.name == StateName::Unfenced),
        "it was back before"
    );
    assert_eq!(registered.status(), "disabled");
    assert_ne!(registered.ask_router(), 200);
}

#[test]
fn a_router_that_does_not_know_the_key_is_refused_before_anything_changes() {
    let registered = Registered::crashed("routerkey", Major::Four, &[]);
    let url = registered.router.url();
    let args = ["--registry", "postgres", "--model", MODEL, "--environment", ENVIRONMENT];
    let more = [
        "--postgres-dsn-env",
        "REGISTRY_DSN",
        "--router-url",
        &url,
        "--router-key-env",
        "ROUTER_KEY",
    ];
    let tool = registered.tool().env("ROUTER_KEY", "wrong-key");
    let ran = tool.rollback(RELEASE, &[&args[..], &more[..]].concat()).expect_code(1);
    assert!(ran.stderr.contains("401"), "{}", ran.stderr);
    assert_eq!(registered.status(), "ready");
    assert_eq!(registered.model.statuses().len(), 2, "nothing was rolled back");
}

#[test]
fn a_row_that_was_disabled_before_stays_disabled() {
    let registered = Registered::crashed("pgoff", Major::Four, &[]);
    registered.postgres.sql(&format!(
        "update model_registry_entries set deployment_status = 'disabled' where model_name = '{MODEL}'"
    ));
    let report = registered.rollback(&[]).expect_code(0).report();
    assert_eq!(report.outcome, StateName::Done);
    assert_eq!(registered.status(), "disabled");
}

#[test]
fn a_row_of_another_endpoint_is_refused_before_anything_changes() {
    let registered = Registered::crashed("pgother", Major::Four, &[]);
    registered
        .postgres
        .sql("update model_registry_entries set deployment_endpoint = 'other.system.svc.cluster.local:8000'");
    let ran = registered.rollback(&[]).expect_code(1);
    assert!(ran.stderr.contains("other.system"), "{}", ran.stderr);
    assert_eq!(registered.status(), "ready");
    assert_eq!(registered.model.statuses().len(), 2, "nothing was rolled back");
}

#[test]
fn a_registry_that_is_down_is_refused_before_anything_changes() {
    let model = Model::crashed("pgdown", Major::Four);
    let port = vllm_rollback_harness::databases::free_port();
    let dsn = format!("postgres://rollback:{PASSWORD}@127.0.0.1:{port}/models");
    let ran = model
        .tool()
        .env("REGISTRY_DSN", &dsn)
        .rollback(RELEASE, &REGISTRY)
        .expect_code(1);
    assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
}

#[test]
fn a_live_cache_entry_is_deleted_and_proved_gone_before_pods_are_replaced() {
    let model = Model::good("cache", Major::Four);
    assert!(model.upgrade_and_wait(2, &["faults.TEXT=garbage"], "120s"));
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let endpoint = endpoint(&model);
    postgres.register(MODEL, ENVIRONMENT, &endpoint, "ready");
    let names = Names::follow(BTreeMap::from([(endpoint, model.namespace.client(SERVICE))]));
    let router = Router::start(&postgres, &redis, ENVIRONMENT, names);
    let registered = Registered {
        model,
        postgres,
        redis,
        router,
    };
    // A client's request fills the router's cache, which would serve the model for two more minutes.
    vllm_rollback_harness::wait::until("a routed answer", Duration::from_secs(30), || {
        (registered.ask_router() == 200).then_some(())
    });
    let key = format!("model_registry:{ENVIRONMENT}:{MODEL}");
    assert_eq!(registered.redis.command(&["EXISTS", &key]), "1");
    let report = registered.rollback(&["1"]).expect_code(0).report();
    let fenced = report
        .states
        .iter()
        .find(|state| state.name == StateName::Fenced)
        .expect("fenced");
    assert!(
        fenced.evidence.iter().any(|line| line.contains(&key)),
        "{:?}",
        fenced.evidence
    );
    assert_eq!(registered.status(), "ready");
}

/// The site's table has a boolean, no environment and no time stamp; the router's view of it is the runbook's.
#[test]
fn a_table_of_the_sites_own_is_what_the_configuration_says_it_is() {
    let registered = Registered::crashed("sitetable", Major::Four, &[]);
    registered.postgres.sql(
        "create schema ops; create table ops.fleet as select model_name as name, deployment_endpoint as address, true as serving \
         from model_registry_entries; drop table model_registry_entries; \
         create view model_registry_entries as select gen_random_uuid() as model_id, name as model_name, \
         address as deployment_endpoint, case when serving then 'ready' else 'disabled' end as deployment_status, \
         'production' as deployment_environment, null::text as deployment_namespace, \
         null::timestamptz as last_health_check_at, now() as updated_at from ops.fleet",
    );
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("config.yaml");
    let configuration = "environment: production\nregistry:\n  driver: postgres\n  postgres:\n    table: ops.fleet\n    columns:\n      \
        model_name: name\n      deployment_endpoint: address\n      deployment_status: serving\n      \
        deployment_environment: false\n      deployment_namespace: false\n      updated_at: false\n    \
        statuses: {ready: true, disabled: false}\n";
    std::fs::write(&path, configuration).expect("a fresh directory is writable");
    let url = registered.postgres.url();
    let tool = registered
        .tool()
        .env("ADMIN_CLI_DATABASE_URL", &url)
        .env("DATABASE_URL", &url);
    let path = path.to_string_lossy();
    let arguments = ["--config", path.as_ref(), "--model", MODEL];
    let report = registered.rollback_with(&tool, &arguments).expect_code(0).report();
    assert_restored(&report, 1);
    let fenced = report
        .states
        .iter()
        .find(|state| state.name == StateName::Fenced)
        .expect("fenced");
    let says = |words: &str| fenced.evidence.iter().any(|line| line.contains(words));
    assert!(says("status false"), "{:?}", fenced.evidence);
    assert_eq!(registered.postgres.sql("select serving from ops.fleet"), "t");
    assert_eq!(registered.ask_router(), 200);
}

#[test]
fn a_database_url_on_the_command_line_is_refused() {
    let model = Model::crashed("pgflag", Major::Four);
    let url = format!("postgres://rollback:{PASSWORD}@127.0.0.1:1/models");
    let ran = model
        .tool()
        .rollback(RELEASE, &["--registry", "postgres", "--postgres-dsn-file", &url]);
    assert!(ran.code == 2 || ran.code == 1, "exit code {}", ran.code);
    assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("env") || ran.stderr.contains("file"),
        "{}",
        ran.stderr
    );
}
