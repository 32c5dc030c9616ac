//! `sslmode` as libpq means it, against a real PostgreSQL that wants TLS.

use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_harness::certificates::Authority;
use vllm_rollback_harness::databases::Postgres;
use vllm_rollback_registry::drivers::postgres::{Dsn, PostgresRegistry};

use crate::support::{config, share};

const ENDPOINT: &str = "llama.ml.svc.cluster.local:8000";

/// Reads the row by this host and with these settings.
async fn read(server: &Postgres, host: &str, settings: &str) -> Result<(), Failure> {
    let url = server.url().replace("127.0.0.1", host);
    let dsn = Dsn::new(&format!("{url}?{settings}"), "$DSN").unwrap();
    let driver = PostgresRegistry::new(config(dsn, "llama", "production"))?;
    driver.read().await.map(drop)
}

#[tokio::test]
async fn each_mode_checks_what_it_promises_and_no_more() {
    let (ours, renewed, another) = (
        Authority::new("ours"),
        Authority::new("ours"),
        Authority::new("another"),
    );
    let server = Postgres::start_encrypted(&ours.certify("localhost"));
    server.register("llama", "production", ENDPOINT, "ready");
    let known = format!("sslrootcert={}", ours.certificate().display());
    let unknown = format!("sslrootcert={}", another.certificate().display());
    let renewed = format!("sslrootcert={}", renewed.certificate().display());

    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let settings = format!("sslmode={mode}&{known}");
        read(&server, "localhost", &settings)
            .await
            .unwrap_or_else(|failure| panic!("{mode}: {failure}"));
    }
    for settings in ["sslmode=prefer", "sslmode=require"] {
        read(&server, "127.0.0.1", settings)
            .await
            .unwrap_or_else(|failure| panic!("{settings}: {failure}"));
    }
    read(&server, "127.0.0.1", &format!("sslmode=verify-ca&{known}"))
        .await
        .unwrap();

    let refusals = [
        (
            "localhost",
            "sslmode=disable".to_owned(),
            FailureKind::Forbidden,
            "no encryption",
            "sslmode=verify-full",
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&{known}"),
            FailureKind::Unreachable,
            "another host",
            "sslmode=verify-ca",
        ),
        (
            "localhost",
            format!("sslmode=verify-full&{unknown}"),
            FailureKind::Unreachable,
            "did not sign",
            "sslrootcert=FILE",
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&{renewed}"),
            FailureKind::Unreachable,
            "did not sign",
            "sslrootcert=FILE",
        ),
        // As libpq does since it knows verify-ca: an authority that is named is not ignored.
        (
            "localhost",
            format!("sslmode=require&{unknown}"),
            FailureKind::Unreachable,
            "did not sign",
            "sslrootcert=FILE",
        ),
        (
            "localhost",
            "sslrootcert=system".to_owned(),
            FailureKind::Unreachable,
            "did not sign",
            "sslrootcert=FILE",
        ),
    ];
    for (host, settings, kind, said, next) in refusals {
        let failure = read(&server, host, &settings).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{settings}: {failure}");
        assert!(failure.to_string().contains(said), "{settings}: {failure}");
        assert!(
            failure.next.iter().any(|text| text.contains(next)),
            "{settings}: {failure:?}"
        );
        assert!(!format!("{failure:?}").contains("s3cret-pw"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_server_with_an_authoritys_own_certificate_is_told_apart() {
    let authority = Authority::new("ours");
    let server = Postgres::start_encrypted(&authority.own());
    let settings = format!("sslmode=verify-ca&sslrootcert={}", authority.certificate().display());
    let failure = read(&server, "localhost", &settings).await.unwrap_err();
    assert!(
        failure.to_string().contains("a certificate of an authority"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_certificate_that_ended_is_told_where_it_counts() {
    let authority = Authority::new("ours");
    let server = Postgres::start_encrypted(&authority.certify_too_late("localhost"));
    server.register("llama", "production", ENDPOINT, "ready");
    let known = format!("sslrootcert={}", authority.certificate().display());
    for mode in ["verify-ca", "verify-full"] {
        let failure = read(&server, "localhost", &format!("sslmode={mode}&{known}"))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable, "{mode}: {failure}");
        assert!(failure.next[0].contains("renew"), "{mode}: {failure:?}");
    }
    read(&server, "localhost", "sslmode=require").await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_used_only_where_that_is_allowed() {
    let servers = share();
    servers.postgres.register("llama", "production", ENDPOINT, "ready");
    let authority = Authority::new("ours");
    let known = format!("sslrootcert={}", authority.certificate().display());
    for settings in [
        "sslmode=disable",
        "sslmode=prefer",
        "sslmode=allow",
        "connect_timeout=5",
    ] {
        read(&servers.postgres, "127.0.0.1", settings).await.unwrap();
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let failure = read(&servers.postgres, "127.0.0.1", &format!("sslmode={mode}&{known}"))
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable, "{mode}: {failure}");
        assert!(failure.next[0].contains("offer TLS"), "{mode}: {failure:?}");
    }
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_told_before_anybody_is_asked() {
    let servers = share();
    let empty = tempfile::NamedTempFile::new().unwrap();
    for file in ["/nowhere/ca.pem", &empty.path().to_string_lossy()] {
        let failure = read(
            &servers.postgres,
            "127.0.0.1",
            &format!("sslmode=verify-full&sslrootcert={file}"),
        )
        .await
        .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Usage);
        assert!(failure.to_string().contains(file), "{failure}");
    }
}
