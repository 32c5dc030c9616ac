//! PostgreSQL's errors, explained.

use tokio_postgres::error::SqlState;
use vllm_rollback_engine::failure::{Failure, FailureKind};

use super::target::Target;

/// Explains an error. `what` says what was tried; the password is never in the text.
pub(super) fn explain(target: &Target, table: &str, what: &str, error: &tokio_postgres::Error) -> Failure {
    let place = target.place();
    let Some(database) = error.as_db_error() else {
        let text = causes(error);
        let failure = Failure::new(
            FailureKind::Unreachable,
            format!("{what}: no connection to the registry at {place}"),
        )
        .because(target.scrub(&text));
        return if text.contains("not valid for name") {
            failure.next("connect by a name that the certificate holds, or check only its authority: sslmode=verify-ca")
        } else if text.contains("certificate") || text.contains("TLS") {
            failure.next("name the authority in the connection string: sslmode=verify-full&sslrootcert=FILE")
        } else {
            failure
                .next(format!("pg_isready -d {place}"))
                .next("kubectl get pods -A | grep -i postgres")
        };
    };
    let code = database.code();
    let (kind, next) = if code == &SqlState::LOCK_NOT_AVAILABLE || code == &SqlState::QUERY_CANCELED {
        (
            FailureKind::Conflict,
            "see who holds the row: select pid, query from pg_stat_activity where state <> 'idle'".to_owned(),
        )
    } else if code == &SqlState::UNDEFINED_TABLE || code == &SqlState::UNDEFINED_COLUMN {
        (
            FailureKind::Invalid,
            format!("name the registry's table in the configuration; it is {table} now"),
        )
    } else if code == &SqlState::INSUFFICIENT_PRIVILEGE {
        (
            FailureKind::Forbidden,
            format!("grant select, update on {table} to the connection's user"),
        )
    } else if code.code().starts_with("28") {
        (
            FailureKind::Forbidden,
            "look at user and password in the connection string".to_owned(),
        )
    } else if code == &SqlState::INVALID_CATALOG_NAME {
        (
            FailureKind::Invalid,
            "look at the database's name in the connection string".to_owned(),
        )
    } else if ["08", "53", "57"].iter().any(|class| code.code().starts_with(class)) {
        (FailureKind::Unreachable, "try again when the database is up".to_owned())
    } else {
        (FailureKind::External, "look at the database's log".to_owned())
    };
    Failure::new(kind, format!("{what}: the registry at {place} refused it"))
        .because(target.scrub(&format!("{} ({})", database.message(), code.code())))
        .next(next)
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

fn causes(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut at = std::error::Error::source(error);
    while let Some(cause) = at {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        at = cause.source();
    }
    text
}
