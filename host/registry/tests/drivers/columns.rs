//! The postgres driver on tables that a site made for itself.

use std::sync::Arc;

use crate::support::{SOON, Servers, config, dsn, share, whole};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_registry::Statuses;
use vllm_rollback_registry::drivers::postgres::{
    Cache, CacheMode, Column, Columns, Dsn, PostgresConfig, PostgresRegistry,
};

const ENDPOINT: &str = "llama.ml.svc.cluster.local:8000";

/// A table of the site, in a schema of its own.
struct Site {
    servers: Arc<Servers>,
    schema: &'static str,
    columns: Columns,
    statuses: Statuses,
}

fn column(name: &str) -> Column {
    name.parse().unwrap()
}

/// Without an environment, a namespace and a time stamp.
fn bare() -> Columns {
    Columns {
        model_name: column("name"),
        deployment_endpoint: column("Address"),
        deployment_status: column("state"),
        deployment_environment: None,
        deployment_namespace: None,
        updated_at: None,
    }
}

impl Site {
    /// With columns made from this SQL.
    fn start(schema: &'static str, sql: &str) -> Self {
        let servers = share();
        servers.postgres.sql(&format!("create schema {schema}; {sql}"));
        Self {
            servers,
            schema,
            columns: bare(),
            statuses: Statuses::default(),
        }
    }

    fn config(&self) -> PostgresConfig {
        PostgresConfig {
            table: format!("{}.models", self.schema).parse().unwrap(),
            columns: self.columns.clone(),
            statuses: self.statuses.clone(),
            ..config(dsn(&self.servers), "llama", "")
        }
    }

    fn driver(&self) -> PostgresRegistry {
        PostgresRegistry::new(self.config()).unwrap()
    }

    fn states(&self) -> String {
        let sql = format!(
            "select string_agg(state::text, ' ' order by name) from {}.models",
            self.schema
        );
        self.servers.postgres.sql(&sql)
    }
}

#[tokio::test]
async fn a_table_without_environment_namespace_and_time_works_with_its_own_words() {
    let mut site = Site::start(
        "plain",
        "create table plain.models (name varchar(40) primary key, \"Address\" text, state char(12)); \
         insert into plain.models values ('llama', 'llama.ml:8000', 'active'), ('other', 'x:1', 'active')",
    );
    site.statuses = Statuses::new("active", "inactive").unwrap();
    let driver = site.driver();
    let prior = driver.read().await.unwrap();
    assert_eq!(prior.status, TrafficStatus::Enabled);
    driver.preflight().await.unwrap();
    driver.stop(&whole(&prior)).await.unwrap();
    assert_eq!(site.states(), "inactive active");
    assert_eq!(driver.read().await.unwrap().status, TrafficStatus::Disabled);
    driver.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    driver.restore(&prior).await.unwrap();
    driver.confirm_resumed(&prior, SOON).await.unwrap();
    assert_eq!(site.states(), "active active");
    assert_eq!(driver.read().await.unwrap(), prior);
}

#[tokio::test]
async fn a_status_may_be_a_boolean_or_an_enum_and_so_may_the_environment() {
    for (schema, kind, ready, disabled, other) in [
        ("flags", "boolean", "true", "false", None),
        ("kinds", "kinds.state", "on", "off", Some("warming")),
    ] {
        let mut site = Site::start(
            schema,
            &format!(
                "create type {schema}.state as enum ('on', 'off', 'warming'); create type {schema}.place as enum ('prod', 'test'); \
                 create table {schema}.models (name text, \"Address\" text, state {kind}, place {schema}.place, changed timestamp); \
                 insert into {schema}.models values ('llama', '{ENDPOINT}', '{ready}', 'prod', null), \
                 ('llama', '{ENDPOINT}', '{ready}', 'test', null)"
            ),
        );
        site.statuses = Statuses::new(ready, disabled).unwrap();
        site.columns.deployment_environment = Some(column("place"));
        site.columns.updated_at = Some(column("changed"));
        let driver = PostgresRegistry::new(PostgresConfig {
            environment: "prod".to_owned(),
            ..site.config()
        })
        .unwrap();
        let states = || {
            let sql = format!("select string_agg(state::text, ' ' order by place) from {schema}.models");
            site.servers.postgres.sql(&sql)
        };
        for word in [Some(ready), other].into_iter().flatten() {
            let change = format!("update {schema}.models set state = '{word}' where place = 'prod'");
            site.servers.postgres.sql(&change);
            let prior = driver.read().await.unwrap();
            driver.preflight().await.unwrap();
            driver.stop(&whole(&prior)).await.unwrap();
            assert_eq!(states(), format!("{disabled} {ready}"));
            driver.restore(&prior).await.unwrap();
            assert_eq!(states(), format!("{word} {ready}"));
        }
        let stamped = format!("select count(changed) from {schema}.models");
        assert_eq!(site.servers.postgres.sql(&stamped), "1");
        let elsewhere = PostgresRegistry::new(PostgresConfig {
            environment: "nowhere".to_owned(),
            ..site.config()
        });
        let failure = elsewhere.unwrap().read().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid);
        assert!(failure.to_string().contains("nowhere"), "{failure}");
    }
}

#[tokio::test]
async fn a_column_that_is_missing_is_named_with_its_setting_before_anything_changes() {
    let mut site = Site::start(
        "lacking",
        "create table lacking.models (name text, \"Address\" text, state text, gone text); \
         alter table lacking.models drop column gone; \
         insert into lacking.models values ('llama', 'llama.ml:8000', 'ready')",
    );
    let whole = site.columns.clone();
    let wrong = [
        (
            "model_name",
            Columns {
                model_name: column("Name"),
                ..whole.clone()
            },
            "\"Name\"",
        ),
        (
            "deployment_endpoint",
            Columns {
                deployment_endpoint: column("address"),
                ..whole.clone()
            },
            "\"address\"",
        ),
        (
            "deployment_status",
            Columns {
                deployment_status: column("gone"),
                ..whole.clone()
            },
            "\"gone\"",
        ),
        (
            "deployment_environment",
            Columns {
                deployment_environment: Some(column("env")),
                ..whole.clone()
            },
            "\"env\"",
        ),
        (
            "deployment_namespace",
            Columns {
                deployment_namespace: Some(column("ns")),
                ..whole.clone()
            },
            "\"ns\"",
        ),
        (
            "updated_at",
            Columns {
                updated_at: Some(column("changed")),
                ..whole.clone()
            },
            "\"changed\"",
        ),
    ];
    for (key, columns, named) in wrong {
        site.columns = columns;
        let driver = PostgresRegistry::new(PostgresConfig {
            environment: "production".to_owned(),
            ..site.config()
        })
        .unwrap();
        let failure = match driver.read().await {
            Ok(_) => driver.preflight().await.unwrap_err(),
            Err(failure) => failure,
        };
        assert_eq!(failure.kind, FailureKind::Invalid, "{key}: {failure}");
        assert!(
            failure.to_string().contains(&format!("has no column {named}")),
            "{failure}"
        );
        assert!(failure.to_string().contains("name, Address, state"), "{failure}");
        let setting = format!("registry.postgres.columns.{key}");
        assert!(failure.next[0].contains(&setting), "{failure:?}");
        let can_be_off = !["model_name", "deployment_endpoint", "deployment_status"].contains(&key);
        let says_how = failure
            .next
            .iter()
            .any(|next| next.contains(&format!("{setting}: false")));
        assert_eq!(says_how, can_be_off, "{failure:?}");
    }
    assert_eq!(site.states(), "ready");
}

#[tokio::test]
async fn without_an_environment_the_name_alone_must_be_of_one_row() {
    let site = Site::start(
        "twice",
        "create table twice.models (name text, \"Address\" text, state text); \
         insert into twice.models values ('llama', 'llama.ml:8000', 'ready'), ('llama', 'llama.ml:8000', 'failed')",
    );
    let failure = site.driver().read().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(
        failure.next[0].contains("registry.postgres.columns.deployment_environment"),
        "{failure:?}"
    );
    assert_eq!(site.states(), "ready failed");
}

#[tokio::test]
async fn a_cache_has_keys_by_environment_so_it_needs_one() {
    let site = Site::start(
        "cached",
        "create table cached.models (name text, \"Address\" text, state text)",
    );
    let url = Dsn::new(&site.servers.redis.url(), "$CACHE").unwrap();
    let with_cache = || PostgresConfig {
        cache: Some(Cache::new(&url, CacheMode::Delete).unwrap()),
        ..site.config()
    };
    let Err(failure) = PostgresRegistry::new(with_cache()) else {
        panic!("a cache without an environment was taken")
    };
    assert_eq!(failure.kind, FailureKind::Usage);
    let environment = "production".to_owned();
    PostgresRegistry::new(PostgresConfig {
        environment,
        ..with_cache()
    })
    .unwrap();
}

#[tokio::test]
async fn what_cannot_take_the_change_is_told_before_it_is_made() {
    let mut site = Site::start(
        "closed",
        "create table closed.base (name text, \"Address\" text, state text check (state in ('ready', 'off')), stamp bigint); \
         insert into closed.base values ('llama', 'llama.ml:8000', 'ready'); \
         create view closed.models as select distinct * from closed.base; \
         create role onlooker login password 's3cret-pw'; grant usage on schema closed to onlooker; \
         grant select on all tables in schema closed to onlooker",
    );
    let view = site.driver();
    view.read().await.unwrap();
    let failure = view.preflight().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
    assert!(failure.next[0].contains("registry.postgres.table"), "{failure:?}");

    let base = |config: PostgresConfig| PostgresConfig {
        table: "closed.base".parse().unwrap(),
        ..config
    };
    let url = site.servers.postgres.url().replace("rollback:", "onlooker:");
    let reader = PostgresRegistry::new(base(PostgresConfig {
        dsn: Dsn::new(&url, "$DSN").unwrap(),
        ..site.config()
    }));
    let failure = reader.unwrap().preflight().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Forbidden, "{failure}");

    let own_words = PostgresRegistry::new(base(site.config())).unwrap();
    let prior = own_words.read().await.unwrap();
    let failure = Failure::from(own_words.stop(&whole(&prior)).await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
    assert!(failure.next[0].contains("registry.postgres.statuses"), "{failure:?}");

    site.columns.updated_at = Some(column("stamp"));
    let failure = PostgresRegistry::new(base(site.config())).unwrap();
    let failure = failure.preflight().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
    assert!(failure.to_string().contains("stamp"), "{failure}");
    assert_eq!(site.states(), "ready");
}
