//! The postgres driver against a real PostgreSQL and a real Redis.

use std::time::{Duration, Instant};

use crate::support::{Model, SOON, dsn, share, whole};
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_objects::http::Response;
use vllm_rollback_registry::drivers::postgres::{Cache, CacheMode, Dsn, PostgresRegistry};

#[tokio::test]
async fn every_prior_status_is_restored_exactly() {
    let servers = share();
    for status in ["ready", "degraded", "failed", "pending", "deploying", "disabled"] {
        let model = Model::register(&servers, &format!("prior-{status}"), status);
        let driver = model.driver();
        let prior = driver.read().await.unwrap();
        let meaning = match status {
            "ready" => TrafficStatus::Enabled,
            "disabled" => TrafficStatus::Disabled,
            other => TrafficStatus::Other(other.to_owned()),
        };
        assert_eq!(prior.status, meaning);
        driver.stop(&whole(&prior)).await.unwrap();
        driver.stop(&whole(&prior)).await.unwrap();
        assert_eq!(model.status(), "disabled");
        driver.confirm_stopped(&whole(&prior), SOON).await.unwrap();
        driver.restore(&prior).await.unwrap();
        driver.restore(&prior).await.unwrap();
        assert_eq!(model.status(), status);
        driver.confirm_resumed(&prior, SOON).await.unwrap();
        assert_eq!(driver.read().await.unwrap(), prior);
    }
}

#[tokio::test]
async fn a_null_status_is_restored_to_null() {
    let servers = share();
    let model = Model::register(&servers, "null-status", "ready");
    model.sql("update model_registry_entries set deployment_status = null where model_name = 'null-status'");
    let driver = model.driver();
    let prior = driver.read().await.unwrap();
    assert_eq!(prior.status, TrafficStatus::Other("unset".to_owned()));
    driver.stop(&whole(&prior)).await.unwrap();
    assert_eq!(model.status(), "disabled");
    driver.restore(&prior).await.unwrap();
    driver.confirm_resumed(&prior, SOON).await.unwrap();
    assert_eq!(
        model.sql(
            "select count(*) from model_registry_entries where model_name = 'null-status' and deployment_status is null"
        ),
        "1"
    );
}

#[tokio::test]
async fn a_row_that_changed_meanwhile_is_left_alone() {
    let servers = share();
    let model = Model::register(&servers, "changed", "ready");
    let driver = model.driver();
    let prior = driver.read().await.unwrap();
    model.set("degraded");
    assert_eq!(
        driver.stop(&whole(&prior)).await.unwrap_err().failure().kind,
        FailureKind::Conflict
    );
    assert_eq!(model.status(), "degraded");
    assert_eq!(
        driver.restore(&prior).await.unwrap_err().failure().kind,
        FailureKind::Conflict
    );
    assert_eq!(model.status(), "degraded");
    assert_eq!(
        driver.confirm_resumed(&prior, SOON).await.unwrap_err().kind,
        FailureKind::Conflict
    );
    model.set("ready");
    assert_eq!(
        driver.confirm_stopped(&whole(&prior), SOON).await.unwrap_err().kind,
        FailureKind::Conflict
    );
}

#[tokio::test]
async fn a_row_that_moved_to_another_endpoint_is_left_alone() {
    let servers = share();
    let model = Model::register(&servers, "moved", "ready");
    let driver = model.driver();
    let prior = driver.read().await.unwrap();
    model.sql("update model_registry_entries set deployment_endpoint = 'x.ml:1' where model_name = 'moved'");
    assert_eq!(
        driver.stop(&whole(&prior)).await.unwrap_err().failure().kind,
        FailureKind::Conflict
    );
    assert_eq!(model.status(), "ready");
}

#[tokio::test]
async fn the_row_of_another_release_is_refused() {
    let servers = share();
    let model = Model::register_at(&servers, "foreign", "ready", "other.ml.svc.cluster.local:8000");
    let failure = model.driver().read().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(
        failure.to_string().contains("other.ml.svc.cluster.local:8000"),
        "{failure}"
    );
    assert!(
        failure.to_string().contains("llama.ml.svc.cluster.local:8000"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_row_that_is_missing_is_refused_with_what_is_there() {
    let servers = share();
    let model = Model::register(&servers, "elsewhere", "ready");
    let driver = PostgresRegistry::new(crate::support::config(dsn(&servers), "elsewhere", "staging")).unwrap();
    let failure = driver.read().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(
        failure.to_string().contains("it has elsewhere in production"),
        "{failure}"
    );
    drop(model);
}

#[tokio::test]
async fn only_the_row_of_its_environment_is_touched() {
    let servers = share();
    let model = Model::register(&servers, "two-environments", "ready");
    model.sql(
        "insert into model_registry_entries (model_name, revision, deployment_target, deployment_endpoint, \
         deployment_status, deployment_environment) values ('two-environments', 2, 'managed', 'llama.ml:8000', 'ready', 'staging')",
    );
    let driver = model.driver();
    let prior = driver.read().await.unwrap();
    driver.stop(&whole(&prior)).await.unwrap();
    assert_eq!(model.status(), "disabled");
    assert_eq!(servers.postgres.status("two-environments", "staging"), "ready");
}

#[tokio::test]
async fn an_operator_can_enable_a_row_of_any_status() {
    let servers = share();
    for status in ["disabled", "failed", "ready"] {
        let model = Model::register(&servers, &format!("enable-{status}"), status);
        let driver = model.driver();
        let wanted = driver.enabled(&driver.read().await.unwrap()).unwrap();
        driver.restore(&wanted).await.unwrap();
        driver.confirm_resumed(&wanted, SOON).await.unwrap();
        assert_eq!(model.status(), "ready");
    }
}

#[tokio::test]
async fn a_row_that_another_transaction_holds_is_not_waited_for_long() {
    let servers = share();
    let model = Model::register(&servers, "locked", "ready");
    let driver = model.driver();
    let prior = driver.read().await.unwrap();
    let (client, connection) = tokio_postgres::connect(&servers.postgres.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
        .batch_execute("begin; select 1 from model_registry_entries where model_name = 'locked' for update")
        .await
        .unwrap();
    let start = Instant::now();
    let failure = Failure::from(driver.stop(&whole(&prior)).await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Conflict, "{failure}");
    assert!(start.elapsed() < Duration::from_secs(9));
    assert_eq!(model.status(), "ready");
}

#[tokio::test]
async fn a_database_that_is_down_wrong_or_without_the_table_is_told_without_the_password() {
    let servers = share();
    let up = servers.postgres.url();
    let closed = vllm_rollback_harness::databases::free_port();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let cases = [
        (
            format!("postgres://u:s3cret-pw@127.0.0.1:{closed}/m"),
            FailureKind::Unreachable,
            "no connection",
        ),
        (
            format!("postgres://u:s3cret-pw@127.0.0.1:{silent_port}/m"),
            FailureKind::Unreachable,
            "did not answer",
        ),
        (up.replace("/models", "/nothing"), FailureKind::Invalid, "nothing"),
        (
            up.replace("/models", "/postgres"),
            FailureKind::Invalid,
            "model_registry_entries",
        ),
        (up.replace("rollback:", "nobody:"), FailureKind::Forbidden, "nobody"),
        (format!("{up}?sslmode=require"), FailureKind::Unreachable, "TLS"),
    ];
    for (url, kind, named) in cases {
        let driver = PostgresRegistry::new(crate::support::config(
            Dsn::new(&url, "$DSN").unwrap(),
            "x",
            "production",
        ))
        .unwrap();
        let failure = driver.read().await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.to_string().contains(named), "{named}: {failure}");
        assert!(!format!("{failure:?}").contains("s3cret-pw"), "{failure:?}");
        assert!(!failure.next.is_empty());
    }
}

#[tokio::test]
async fn a_live_cache_entry_is_deleted_and_proved_gone() {
    let servers = share();
    let model = Model::register(&servers, "cached", "ready");
    let driver = model.driver_with_cache(CacheMode::Delete);
    let prior = driver.read().await.unwrap();
    model.cache_for(120);
    driver.stop(&whole(&prior)).await.unwrap();
    assert!(!model.is_cached());
    // A router that read the row just before writes the entry late.
    model.cache_for(120);
    let lines = driver.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("model_registry:production:cached: deleted 1")),
        "{lines:?}"
    );
    assert!(!model.is_cached());
}

#[tokio::test]
async fn an_entry_that_comes_back_again_and_again_is_never_proved_gone() {
    let servers = share();
    let model = Model::register(&servers, "stubborn", "ready");
    let driver = model.driver_with_cache(CacheMode::Delete);
    let prior = driver.read().await.unwrap();
    driver.stop(&whole(&prior)).await.unwrap();
    let stop = whole(&prior);
    let proving = driver.confirm_stopped(&stop, Duration::from_secs(2));
    tokio::pin!(proving);
    let failure = loop {
        tokio::select! {
            result = &mut proving => break result.unwrap_err(),
            () = tokio::time::sleep(Duration::from_millis(100)) => model.cache_for(120),
        }
    };
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(failure.to_string().contains("comes back"), "{failure}");
}

#[tokio::test]
async fn waiting_for_an_entry_ends_when_it_expires_and_not_before() {
    let servers = share();
    let model = Model::register(&servers, "expiring", "ready");
    let driver = model.driver_with_cache(CacheMode::Wait(Cache::RUNBOOK_TTL));
    let prior = driver.read().await.unwrap();
    driver.stop(&whole(&prior)).await.unwrap();
    model.cache_for(2);
    let start = Instant::now();
    driver
        .confirm_stopped(&whole(&prior), Duration::from_secs(30))
        .await
        .unwrap();
    assert!(start.elapsed() > Duration::from_millis(1500) && !model.is_cached());
}

#[tokio::test]
async fn an_entry_that_outlives_the_wait_or_never_expires_is_told_at_once() {
    let servers = share();
    let model = Model::register(&servers, "immortal", "ready");
    let driver = model.driver_with_cache(CacheMode::Wait(Cache::RUNBOOK_TTL));
    let prior = driver.read().await.unwrap();
    driver.stop(&whole(&prior)).await.unwrap();
    for (seconds, named) in [(900, "too long"), (0, "never expires")] {
        model.cache_for(seconds);
        let start = Instant::now();
        let failure = driver
            .confirm_stopped(&whole(&prior), Duration::from_secs(600))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Timeout);
        assert!(failure.to_string().contains(named), "{failure}");
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn a_cache_that_is_down_leaves_the_stop_unproved() {
    let servers = share();
    let model = Model::register(&servers, "cache-down", "ready");
    let port = vllm_rollback_harness::databases::free_port();
    let url = Dsn::new(&format!("redis://:s3cret-pw@127.0.0.1:{port}"), "$CACHE").unwrap();
    let mut config = crate::support::config(dsn(&servers), "cache-down", "production");
    config.cache = Some(Cache::new(&url, CacheMode::Delete).unwrap());
    let driver = PostgresRegistry::new(config).unwrap();
    let prior = driver.read().await.unwrap();
    driver.stop(&whole(&prior)).await.unwrap();
    assert_eq!(model.status(), "disabled");
    let failure = driver.confirm_stopped(&whole(&prior), SOON).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert!(!format!("{failure:?}").contains("s3cret-pw"));
    driver.restore(&prior).await.unwrap();
    assert_eq!(model.status(), "ready");
}

#[tokio::test]
async fn the_router_has_the_last_word() {
    let servers = share();
    let model = Model::register(&servers, "routed", "ready");
    let reply = |status, body: &str| Response {
        status,
        body: body.to_owned().into(),
        ..Response::default()
    };
    let answered = || reply(200, "{}");
    let failed = || reply(502, "");
    let refused = || reply(503, r#"{"code": "MODEL_UNAVAILABLE"}"#);
    let slow_to_follow = model.driver_with_router(vec![answered(), failed(), refused()]);
    let prior = slow_to_follow.read().await.unwrap();
    slow_to_follow.stop(&whole(&prior)).await.unwrap();
    let lines = slow_to_follow.confirm_stopped(&whole(&prior), SOON).await.unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("it refuses (HTTP 503 MODEL_UNAVAILABLE)")),
        "{lines:?}"
    );
    let never = model.driver_with_router(vec![answered()]);
    let failure = never
        .confirm_stopped(&whole(&prior), Duration::from_millis(500))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    never.restore(&prior).await.unwrap();
    let broken = model.driver_with_router(vec![failed()]);
    assert!(
        broken
            .confirm_resumed(&prior, Duration::from_millis(500))
            .await
            .is_err()
    );
    let back = model.driver_with_router(vec![refused(), answered()]);
    back.confirm_resumed(&prior, SOON).await.unwrap();
}

#[tokio::test]
async fn of_two_that_stop_from_the_same_state_both_end_disabled_and_one_change_is_made() {
    let servers = share();
    let model = Model::register(&servers, "race", "ready");
    let (a, b) = (model.driver(), model.driver());
    let prior = a.read().await.unwrap();
    let stop = whole(&prior);
    let (first, second) = tokio::join!(a.stop(&stop), b.stop(&stop));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(model.status(), "disabled");
}
