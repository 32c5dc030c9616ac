//! PostgreSQL's errors, explained.

use std::error::Error as _;

use rustls::CertificateError;
use tokio_postgres::error::{DbError, SqlState};
use vllm_rollback_engine::failure::{Failure, FailureKind};

use super::columns::Table;
use super::target::{Target, TlsMode};

/// Explains an error. `what` says what was tried; the password is never in the text.
pub(super) fn explain(target: &Target, table: &Table, what: &str, error: &tokio_postgres::Error) -> Failure {
    match error.as_db_error() {
        Some(database) => refused(target, table, what, database),
        None => unconnected(target, what, error),
    }
}

fn refused(target: &Target, table: &Table, what: &str, database: &DbError) -> Failure {
    let code = database.code();
    let (kind, next) = meaning(code, target, table);
    let failure = Failure::new(kind, format!("{what}: the registry at {} refused it", target.place()))
        .because(target.scrub(&format!("{} ({})", database.message(), code.code())));
    next.into_iter().fold(failure, Failure::next)
}

/// Kind of failure for an error code, and the next steps (PostgreSQL 17, appendix A).
fn meaning(code: &SqlState, target: &Target, table: &Table) -> (FailureKind, Vec<String>) {
    let says = |kind, next: &str| (kind, vec![next.to_owned()]);
    let is_of = |classes: &[&str]| classes.iter().any(|class| code.code().starts_with(class));
    let is = |codes: &[SqlState]| codes.contains(code);
    if is(&[SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED]) {
        let who = "see who holds the row: select pid, query from pg_stat_activity where state <> 'idle'";
        says(FailureKind::Conflict, who)
    } else if is(&[SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN]) {
        let how = "name the registry's table in the configuration: registry.postgres.table; it is";
        says(FailureKind::Invalid, &format!("{how} {table} now"))
    } else if is(&[SqlState::INSUFFICIENT_PRIVILEGE]) {
        let grant = format!("grant select, update on {table} to the connection's user");
        says(FailureKind::Forbidden, &grant)
    } else if is(&[SqlState::INVALID_AUTHORIZATION_SPECIFICATION]) && target.tls == TlsMode::Disable {
        let tls = "the server may want TLS: set sslmode=verify-full in the connection string";
        says(FailureKind::Forbidden, tls)
    } else if is_of(&["28"]) {
        says(
            FailureKind::Forbidden,
            "check user and password in the connection string",
        )
    } else if is(&[SqlState::INVALID_CATALOG_NAME]) {
        says(
            FailureKind::Invalid,
            "check the database's name in the connection string",
        )
    } else if is(&[SqlState::READ_ONLY_SQL_TRANSACTION]) {
        let primary = "this server is read-only: name the primary in the connection string";
        says(FailureKind::Refused, primary)
    } else if is_of(&["22", "23"]) || is(&[SqlState::DATATYPE_MISMATCH]) {
        let words = "name the table's own words in the configuration: registry.postgres.statuses";
        let columns = "and its own columns: registry.postgres.columns";
        (FailureKind::Invalid, vec![words.to_owned(), columns.to_owned()])
    } else if is(&[
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
        SqlState::WRONG_OBJECT_TYPE,
    ]) {
        let how = "cannot be changed: name the table behind it in the configuration: registry.postgres.table";
        says(FailureKind::Invalid, &format!("{table} {how}"))
    } else if is_of(&["08", "53", "57"]) {
        says(FailureKind::Unreachable, "try again when the database is up")
    } else {
        says(FailureKind::External, "check the database's log")
    }
}

fn unconnected(target: &Target, what: &str, error: &tokio_postgres::Error) -> Failure {
    let place = target.place();
    let text = causes(error);
    let failure = Failure::new(
        FailureKind::Unreachable,
        format!("{what}: no connection to the registry at {place}"),
    )
    .because(target.scrub(&text));
    if let Some(error) = certificate(error) {
        return distrusted(target, failure, error);
    }
    if text.contains("TLS") {
        return failure
            .next("configure the server to offer TLS, or turn it off in the connection string: sslmode=disable");
    }
    failure
        .next(format!("pg_isready -d {place}"))
        .next("kubectl get pods -A | grep -i postgres")
}

/// Says why the server's certificate was rejected, with a next step that solves that alone.
fn distrusted(target: &Target, failure: Failure, error: &CertificateError) -> Failure {
    let authorities = match &target.root_certificates {
        Some(path) => path.display().to_string(),
        None => "this system's authorities".to_owned(),
    };
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => failure
            .because("the server's certificate is for another host than the connection string names")
            .next("connect by a name that the certificate holds, or check only its authority: sslmode=verify-ca"),
        // The latter where an authority of the same name signed it: one that was renewed, with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => failure
            .because(format!("{authorities} did not sign the server's certificate"))
            .next("name the authority's certificate in the connection string: sslrootcert=FILE"),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            failure.next("renew the server's certificate, or set the clock of this machine")
        }
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => failure
            .because("the server shows a certificate of an authority, not one of a server")
            .next("give the server a certificate that this authority signed"),
        _ => failure.next("inspect the server's certificate: openssl s_client -starttls postgres -connect HOST:PORT"),
    }
}

/// No answer within the time that a statement may take.
pub(super) fn too_slow(target: &Target, what: &str, seconds: u64) -> Failure {
    Failure::new(
        FailureKind::Unreachable,
        format!(
            "{what}: the registry at {} did not answer within {seconds} s",
            target.place()
        ),
    )
    .next(format!("pg_isready -d {}", target.place()))
}

/// The TLS library's own error is inside one of input and output.
fn certificate(error: &tokio_postgres::Error) -> Option<&CertificateError> {
    let mut at = error.source();
    while let Some(cause) = at {
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = match inner {
            Some(inner) => inner.downcast_ref::<rustls::Error>(),
            None => cause.downcast_ref::<rustls::Error>(),
        };
        if let Some(rustls::Error::InvalidCertificate(error)) = tls {
            return Some(error);
        }
        at = cause.source();
    }
    None
}

fn causes(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        at = cause.source();
    }
    text
}
