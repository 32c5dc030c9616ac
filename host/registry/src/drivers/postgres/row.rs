//! The model's row: read, and changed only from the state it was read in.

use std::fmt;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::Failure;

use super::columns::{Columns, Table};
use super::errors::{explain, too_slow};
use super::target::Target;
use super::value::{Parameter, typed};

/// Longest wait for a connection, and for one transaction after that.
const CONNECT: Duration = Duration::from_secs(5);
const TRANSACTION: Duration = Duration::from_secs(10);

/// A lock that another transaction holds longer is somebody else at work. For this transaction only, so that it works
/// behind a pooler too.
const LIMITS: &str = "SET LOCAL lock_timeout = '4s'; SET LOCAL statement_timeout = '8s'";

/// The row, as far as traffic goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The table's own word; none when null.
    pub(super) status: Option<String>,
    /// `host:port`.
    pub(super) endpoint: Option<String>,
    /// Namespace of the deployment.
    pub(super) namespace: Option<String>,
}

/// Outcome of a compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// The row was changed.
    Made,
    /// The row had that status already.
    Already,
    /// The row is in none of the expected states, and was left as it is.
    Unexpected(Row),
}

/// The row's key, and the way to it.
pub(super) struct Rows {
    pub(super) target: Target,
    pub(super) tls: MakeRustlsConnect,
    pub(super) table: Table,
    pub(super) columns: Columns,
    pub(super) model: String,
    /// Empty where the site has none.
    pub(super) environment: String,
}

impl Rows {
    /// Reads the row.
    pub(super) async fn read(&self) -> Result<Row, Failure> {
        let what = format!("cannot read the row of {self}");
        let mut client = self.connect(&what).await?;
        let read = async {
            let transaction = begin(&mut client).await?;
            let row = self.select(&transaction, "").await?;
            let hint = if row.is_empty() {
                self.known(&transaction).await?
            } else {
                String::new()
            };
            transaction.commit().await?;
            Ok((row, hint))
        };
        let read = bounded(read).await;
        let (rows, hint) = self.explained(&client, &what, read).await?;
        self.only(rows, &hint)
    }

    /// Tries whether the table would take the change, with a statement that changes no row and is taken back.
    pub(super) async fn rehearse(&self, to: &str) -> Result<(), Failure> {
        let what = format!("cannot set the row of {self} to {to}");
        let mut client = self.connect(&what).await?;
        let rehearsed = async {
            let transaction = begin(&mut client).await?;
            self.update(&transaction, None, Some(to), " AND false").await?;
            transaction.rollback().await
        };
        let rehearsed = bounded(rehearsed).await;
        self.explained(&client, &what, rehearsed).await
    }

    /// Sets the status to `to` if the row is `expected`; both states together decide, so that nobody else's change since
    /// it was read is overwritten. The row is locked meanwhile.
    pub(super) async fn change(&self, expected: &Row, to: Option<&str>) -> Result<Change, WriteError> {
        let what = format!("cannot set the row of {self} to {}", word(to));
        let mut client = self.connect(&what).await.map_err(WriteError::Rejected)?;
        let changed = async {
            let transaction = begin(&mut client).await?;
            let rows = self.select(&transaction, " FOR UPDATE").await?;
            let now = rows.first();
            let same_place = now.is_some_and(|row| row.endpoint == expected.endpoint);
            let expected_now = same_place && now.is_some_and(|row| row.status == expected.status);
            if rows.len() != 1 || !expected_now || expected.status.as_deref() == to {
                transaction.rollback().await?;
                return Ok((rows, None));
            }
            let count = self.update(&transaction, expected.status.as_deref(), to, "").await?;
            if count == 1 {
                transaction.commit().await?;
            } else {
                transaction.rollback().await?;
            }
            Ok((rows, Some(count)))
        };
        let changed = bounded(changed).await;
        let is_rejected = matches!(&changed, Some(Err(error)) if says_no(error));
        let outcome = if is_rejected {
            WriteError::Rejected
        } else {
            WriteError::Unknown
        };
        let (rows, changed) = self.explained(&client, &what, changed).await.map_err(outcome)?;
        let row = self.only(rows, "").map_err(WriteError::Rejected)?;
        match changed {
            Some(1) => Ok(Change::Made),
            Some(count) => {
                let what = format!("{what}: {count} rows would have changed instead of 1, so none was");
                let failure = Failure::invalid(what);
                Err(WriteError::Rejected(
                    failure.next(format!("check the triggers and rules of {}", self.table)),
                ))
            }
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
            .map_err(|error| explain(&self.target, &self.table, what, &error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("the connection to the registry ended: {error}");
            }
        });
        Ok(client)
    }

    /// Explains an error; for an unknown column it looks up which columns the table has.
    async fn explained<T>(
        &self,
        client: &Client,
        what: &str,
        done: Option<Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let error = match done {
            Some(Ok(done)) => return Ok(done),
            Some(Err(error)) => error,
            None => return Err(too_slow(&self.target, what, TRANSACTION.as_secs())),
        };
        if error.code() == Some(&SqlState::UNDEFINED_COLUMN)
            && let Some(Ok(has)) = bounded(self.column_names(client)).await
            && let Some(failure) = self.missing(what, &has)
        {
            return Err(failure);
        }
        Err(explain(&self.target, &self.table, what, &error))
    }

    /// The columns that the table has, in its order.
    async fn column_names(&self, client: &Client) -> Result<Vec<String>, tokio_postgres::Error> {
        let sql = "SELECT attname::text FROM pg_attribute \
                   WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
        let rows = client
            .query_typed(sql, &[(&self.table.to_string() as _, Type::TEXT)])
            .await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    fn missing(&self, what: &str, has: &[String]) -> Option<Failure> {
        let (key, column) = self
            .columns
            .each()
            .find(|(_, column)| has.iter().all(|name| name != column.name()))?;
        let failure = Failure::invalid(format!(
            "{what}: the registry's table {} at {} has no column {column}",
            self.table,
            self.target.place()
        ))
        .because(match has {
            [] => "it has no column at all".to_owned(),
            has => format!("it has {}", has.join(", ")),
        })
        .next(format!(
            "name the column in the configuration: registry.postgres.columns.{key}"
        ));
        Some(if Columns::is_optional(key) {
            failure.next(format!(
                "or say that there is none: registry.postgres.columns.{key}: false"
            ))
        } else {
            failure
        })
    }

    /// The condition that names the row, with the numbers of its parameters from this one on.
    fn key(&self, first: usize) -> String {
        let model = format!("{} = ${first}", self.columns.model_name);
        match &self.columns.deployment_environment {
            Some(environment) => format!("{model} AND {environment} = ${}", first + 1),
            None => model,
        }
    }

    /// Values of the parameters of [`Self::key`].
    fn key_values(&self) -> Vec<Parameter<'_>> {
        let environment = self.columns.deployment_environment.as_ref();
        let environment = environment.map(|_| Parameter(Some(&self.environment)));
        [Parameter(Some(&self.model))].into_iter().chain(environment).collect()
    }

    async fn select(&self, transaction: &Transaction<'_>, lock: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        let Columns {
            deployment_status: status,
            deployment_endpoint: endpoint,
            deployment_namespace: namespace,
            ..
        } = &self.columns;
        let namespace = namespace.as_ref().map_or("NULL".to_owned(), ToString::to_string);
        let sql = format!(
            "SELECT {status}::text, {endpoint}::text, {namespace}::text FROM {} WHERE {} LIMIT 2{lock}",
            self.table,
            self.key(1)
        );
        let key = self.key_values();
        let rows = transaction.query_typed(&sql, &typed(&key)).await?;
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
        and: &str,
    ) -> Result<u64, tokio_postgres::Error> {
        let status = &self.columns.deployment_status;
        let stamp = self.columns.updated_at.as_ref();
        let stamp = stamp.map_or(String::new(), |column| format!(", {column} = now()"));
        let sql = format!(
            "UPDATE {} SET {status} = $1{stamp} WHERE {status}::text IS NOT DISTINCT FROM $2 AND {}{and} RETURNING 1",
            self.table,
            self.key(3)
        );
        let values: Vec<Parameter<'_>> = [to, from].map(Parameter).into_iter().chain(self.key_values()).collect();
        Ok(transaction.query_typed(&sql, &typed(&values)).await?.len() as u64)
    }

    /// Names of up to 8 rows that are there, the most similar first; for the error about a missing row.
    async fn known(&self, transaction: &Transaction<'_>) -> Result<String, tokio_postgres::Error> {
        let model = &self.columns.model_name;
        let (shown, order) = match &self.columns.deployment_environment {
            Some(environment) => (
                format!("coalesce({model}::text, '') || ' in ' || coalesce({environment}::text, 'no environment')"),
                format!("{model}::text <> $1, {environment}::text <> $2"),
            ),
            None => (format!("coalesce({model}::text, '')"), format!("{model}::text <> $1")),
        };
        let sql = format!("SELECT {shown} FROM {} ORDER BY {order}, 1 LIMIT 8", self.table);
        let key = self.key_values();
        let rows = transaction.query_typed(&sql, &typed(&key)).await?;
        let names: Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(names?.join(", "))
    }

    fn only(&self, mut rows: Vec<Row>, hint: &str) -> Result<Row, Failure> {
        match (rows.pop(), rows.len()) {
            (Some(row), 0) => Ok(row),
            (Some(_), _) => Err(self.several()),
            (None, _) => {
                let failure = Failure::refused(format!("the registry at {} has no row of {self}", self.target.place()));
                let failure = if hint.is_empty() {
                    failure
                } else {
                    failure.because(format!("it has {hint}"))
                };
                Err(failure.next("name model and environment as the registry does: --model M --environment E"))
            }
        }
    }

    fn several(&self) -> Failure {
        let failure = Failure::invalid(format!("several rows are for {self}"));
        let model = self.columns.model_name.name();
        match &self.columns.deployment_environment {
            Some(environment) => failure.because(format!(
                "{} has no unique key on {model} and {}",
                self.table,
                environment.name()
            )),
            None => failure
                .because(format!("{} has no unique key on {model}", self.table))
                .next(
                "name the column that tells them apart in the configuration: registry.postgres.columns.deployment_environment",
            ),
        }
        .next("remove the rows that are not in use")
    }
}

/// The server said no, which ends the transaction. Class 57 (an operator intervened) and 08 (the connection) say nothing of it.
/// Source: PostgreSQL, appendix A, error codes.
fn says_no(error: &tokio_postgres::Error) -> bool {
    let class = |code: &SqlState| code.code().get(..2).map(str::to_owned);
    error
        .code()
        .and_then(class)
        .is_some_and(|class| class != "57" && class != "08")
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "model {}", self.model)?;
        match self.environment.as_str() {
            "" => Ok(()),
            environment => write!(f, " in {environment}"),
        }
    }
}

/// None when it takes too long.
async fn bounded<T>(
    work: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Option<Result<T, tokio_postgres::Error>> {
    tokio::time::timeout(TRANSACTION, work).await.ok()
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
