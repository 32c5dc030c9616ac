//! The model's row: read, and changed only from the state it was read in.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;
use vllm_rollback_engine::failure::{Failure, FailureKind};

use super::target::Target;
use super::trouble::{explain, too_slow};

/// Longest wait for a connection, and for one transaction after that.
const CONNECT: Duration = Duration::from_secs(5);
const TRANSACTION: Duration = Duration::from_secs(10);

/// A lock that another transaction holds longer is somebody else at work. For this transaction only, so that it works
/// behind a pooler too.
const LIMITS: &str = "SET LOCAL lock_timeout = '4s'; SET LOCAL statement_timeout = '8s'";

/// The registry's table: `name` or `schema.name`, quoted when used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(String);

/// The row, as far as traffic goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// `ready`, `disabled`, …; none when null.
    pub(super) status: Option<String>,
    /// `host:port`.
    pub(super) endpoint: Option<String>,
    /// Namespace of the deployment.
    pub(super) namespace: Option<String>,
}

/// What a compare-and-set did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The row was changed.
    Made,
    /// It was so already.
    Already,
    /// It is in none of the states expected, and was left alone.
    Unexpected(Row),
}

/// The row's key, and the way to it.
pub(super) struct Rows {
    pub(super) target: Target,
    pub(super) tls: MakeRustlsConnect,
    pub(super) table: Table,
    pub(super) model: String,
    pub(super) environment: String,
}

impl Default for Table {
    /// The runbook's.
    fn default() -> Self {
        Self("\"model_registry_entries\"".to_owned())
    }
}

impl FromStr for Table {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let parts: Vec<&str> = text.split('.').collect();
        let good = |part: &&str| {
            part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !part.starts_with(|c: char| c.is_ascii_digit())
        };
        if parts.len() > 2 || parts.iter().any(|part| part.is_empty() || !good(part)) {
            return Err(
                Failure::new(FailureKind::Usage, format!("{text:?} is not the name of a table"))
                    .next("write NAME or SCHEMA.NAME: letters, digits, _"),
            );
        }
        let quoted: Vec<String> = parts.iter().map(|part| format!("\"{part}\"")).collect();
        Ok(Self(quoted.join(".")))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Rows {
    /// Reads the row.
    pub(super) async fn read(&self) -> Result<Row, Failure> {
        let what = format!("cannot read the row of {self}");
        let mut client = self.connect(&what).await?;
        self.bounded(&what, async {
            let transaction = begin(&mut client).await?;
            let row = self.select(&transaction, "").await?;
            let hint = if row.is_empty() {
                self.known(&transaction).await?
            } else {
                String::new()
            };
            transaction.commit().await?;
            Ok((row, hint))
        })
        .await
        .and_then(|(rows, hint)| self.only(rows, &hint))
    }

    /// Sets the status to `to` if the row is `expected`; both states together decide, so that nobody else's change since
    /// it was read is overwritten. The row is locked meanwhile.
    pub(super) async fn change(&self, expected: &Row, to: Option<&str>) -> Result<Change, Failure> {
        let what = format!("cannot set the row of {self} to {}", word(to));
        let mut client = self.connect(&what).await?;
        let (rows, changed) = self
            .bounded(&what, async {
                let transaction = begin(&mut client).await?;
                let rows = self.select(&transaction, " FOR UPDATE").await?;
                let now = rows.first();
                let same_place = now.is_some_and(|row| row.endpoint == expected.endpoint);
                let expected_now = same_place && now.is_some_and(|row| row.status == expected.status);
                if rows.len() != 1 || !expected_now || expected.status.as_deref() == to {
                    transaction.rollback().await?;
                    return Ok((rows, None));
                }
                let count = self.update(&transaction, expected.status.as_deref(), to).await?;
                if count == 1 {
                    transaction.commit().await?;
                } else {
                    transaction.rollback().await?;
                }
                Ok((rows, Some(count)))
            })
            .await?;
        let row = self.only(rows, "")?;
        match changed {
            Some(1) => Ok(Change::Made),
            Some(count) => Err(Failure::new(
                FailureKind::Invalid,
                format!("{what}: {count} rows would have changed instead of 1, so none was"),
            )
            .next(format!("look at the triggers and rules of {}", self.table))),
            None if row.endpoint == expected.endpoint && row.status.as_deref() == to => Ok(Change::Already),
            None => Ok(Change::Unexpected(row)),
        }
    }

    async fn connect(&self, what: &str) -> Result<Client, Failure> {
        let mut config = self.target.config.clone();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        // The library's limit is for the TCP part alone; a server that accepts and says nothing is caught by this one.
        let (client, connection) = tokio::time::timeout(CONNECT * 2, config.connect(self.tls.clone()))
            .await
            .map_err(|_| too_slow(&self.target, what, (CONNECT * 2).as_secs()))?
            .map_err(|error| explain(&self.target, &self.table.0, what, &error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("the connection to the registry ended: {error}");
            }
        });
        Ok(client)
    }

    async fn bounded<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        tokio::time::timeout(TRANSACTION, work)
            .await
            .map_err(|_| too_slow(&self.target, what, TRANSACTION.as_secs()))?
            .map_err(|error| explain(&self.target, &self.table.0, what, &error))
    }

    async fn select(&self, transaction: &Transaction<'_>, lock: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        let sql = format!(
            "SELECT deployment_status::text, deployment_endpoint::text, deployment_namespace::text FROM {} \
             WHERE model_name = $1 AND deployment_environment = $2 LIMIT 2{lock}",
            self.table
        );
        // Unnamed statements in one round trip; named ones break behind a pooler.
        let key = [(&self.model as _, Type::TEXT), (&self.environment as _, Type::TEXT)];
        let rows = transaction.query_typed(&sql, &key).await?;
        rows.iter()
            .map(|row| {
                Ok(Row {
                    status: row.try_get(0)?,
                    endpoint: row.try_get(1)?,
                    namespace: row.try_get(2)?,
                })
            })
            .collect()
    }

    async fn update(
        &self,
        transaction: &Transaction<'_>,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<u64, tokio_postgres::Error> {
        let sql = format!(
            "UPDATE {} SET deployment_status = $3, updated_at = now() WHERE model_name = $1 \
             AND deployment_environment = $2 AND deployment_status IS NOT DISTINCT FROM $4 RETURNING 1",
            self.table
        );
        let values = [
            (&self.model as _, Type::TEXT),
            (&self.environment as _, Type::TEXT),
            (&to as _, Type::TEXT),
            (&from as _, Type::TEXT),
        ];
        Ok(transaction.query_typed(&sql, &values).await?.len() as u64)
    }

    /// What is there instead of a row that is missing.
    async fn known(&self, transaction: &Transaction<'_>) -> Result<String, tokio_postgres::Error> {
        let sql = format!(
            "SELECT coalesce(model_name, '') || ' in ' || coalesce(deployment_environment, 'no environment') FROM {} \
             ORDER BY model_name <> $1, deployment_environment <> $2, 1 LIMIT 8",
            self.table
        );
        let key = [(&self.model as _, Type::TEXT), (&self.environment as _, Type::TEXT)];
        let rows = transaction.query_typed(&sql, &key).await?;
        let names: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(names?.join(", "))
    }

    fn only(&self, mut rows: Vec<Row>, hint: &str) -> Result<Row, Failure> {
        match (rows.pop(), rows.len()) {
            (Some(row), 0) => Ok(row),
            (Some(_), _) => Err(
                Failure::new(FailureKind::Invalid, format!("several rows are of {self}"))
                    .because(format!(
                        "{} has no unique key on model_name and deployment_environment",
                        self.table
                    ))
                    .next("remove the rows that are not in use"),
            ),
            (None, _) => {
                let failure = Failure::new(
                    FailureKind::Refused,
                    format!("the registry at {} has no row of {self}", self.target.place()),
                );
                let failure = if hint.is_empty() {
                    failure
                } else {
                    failure.because(format!("it has {hint}"))
                };
                Err(failure.next("name model and environment as the registry does: --model M --environment E"))
            }
        }
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {} in {}", self.model, self.environment)
    }
}

async fn begin(client: &mut Client) -> Result<Transaction<'_>, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.batch_execute(LIMITS).await?;
    Ok(transaction)
}

/// A status for people.
pub(super) fn word(status: Option<&str>) -> &str {
    status.unwrap_or("(null)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_table_is_quoted_and_holds_nothing_else() {
        assert_eq!(
            "ops.models_2".parse::<Table>().unwrap().to_string(),
            "\"ops\".\"models_2\""
        );
        for text in ["", "a.b.c", "a b", "a;drop", "a\"", "1a", "a.", "ä"] {
            assert_eq!(text.parse::<Table>().unwrap_err().kind, FailureKind::Usage, "{text}");
        }
    }
}
