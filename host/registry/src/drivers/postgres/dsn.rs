//! Connection strings, which hold passwords: read from the environment or a file only, never shown.

use secrecy::{ExposeSecret as _, SecretString};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_settings::Env;
use vllm_rollback_settings::secret::Source;

/// The variable that the runbook's own tool reads, and the one that its scripts and pages name. A site that sets both to
/// different databases gets a refusal instead of a guess.
const RUNBOOK_VARIABLES: [&str; 2] = ["ADMIN_CLI_DATABASE_URL", "DATABASE_URL"];

/// A connection string of PostgreSQL or Redis.
#[derive(Debug, Clone)]
pub struct Dsn {
    text: SecretString,
    origin: String,
}

impl Dsn {
    /// From a text that was read at `origin` (`$REGISTRY_DSN`, `/run/secrets/dsn`), which messages name.
    ///
    /// # Errors
    /// `Usage` when it is empty.
    pub fn new(text: &str, origin: impl Into<String>) -> Result<Self, Failure> {
        let origin = origin.into();
        let text = text.trim();
        if text.is_empty() {
            return Err(
                Failure::usage(format!("the connection string in {origin} is empty")).next("put it there, on one line")
            );
        }
        Ok(Self {
            text: text.into(),
            origin,
        })
    }

    /// Reads it from where flags or configuration say that it is. `what` is a noun for messages.
    ///
    /// # Errors
    /// `Usage` when it is not there.
    pub(super) fn read(source: &Source, what: &str, env: &Env) -> Result<Self, Failure> {
        Self::new(source.read(what, env)?.expose_secret(), source.to_string())
    }

    /// Reads it from the variables of the runbook: `ADMIN_CLI_DATABASE_URL`, else `DATABASE_URL`.
    ///
    /// # Errors
    /// `Usage` when neither is set; `Refused` when both are and differ.
    pub(super) fn from_env(env: &Env) -> Result<Self, Failure> {
        let [first, second] = RUNBOOK_VARIABLES.map(|name| {
            let text = env.get(name)?;
            Some(Self::new(text, format!("${name}")))
        });
        match (first.transpose()?, second.transpose()?) {
            (Some(a), Some(b)) if a.expose() != b.expose() => {
                Err(Failure::refused("which database to use is not clear")
                    .because(format!(
                        "{} and {} are both set, to different values",
                        a.origin, b.origin
                    ))
                    .next(format!("unset one of them: unset {}", RUNBOOK_VARIABLES[1]))
                    .next("or name the variable: --postgres-dsn-env NAME"))
            }
            (Some(dsn), _) | (None, Some(dsn)) => Ok(dsn),
            (None, None) => Err(Failure::usage("no database is named")
                .because(format!(
                    "neither {} nor {} is set",
                    RUNBOOK_VARIABLES[0], RUNBOOK_VARIABLES[1]
                ))
                .next("name the variable that holds its URL: --postgres-dsn-env NAME")
                .next("or the file: --postgres-dsn-file FILE")),
        }
    }

    /// The text itself, for the one place that connects.
    pub(super) fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// The place where it was read.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;

    fn from(first: &str, second: &str) -> Result<Dsn, Failure> {
        Dsn::from_env(&Env::from([
            ("ADMIN_CLI_DATABASE_URL", first),
            ("DATABASE_URL", second),
        ]))
    }

    #[test]
    fn two_variables_that_differ_are_refused_and_two_that_agree_are_not() {
        let failure = from("postgres://u:hunter2@a/x", "postgres://u:hunter2@b/x").unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(!failure.to_string().contains("hunter2"), "{failure}");
        let same = from("postgres://a", "postgres://a").unwrap();
        assert_eq!(same.origin(), "$ADMIN_CLI_DATABASE_URL");
        assert_eq!(from("", "postgres://a").unwrap().origin(), "$DATABASE_URL");
        assert_eq!(from("", "").unwrap_err().kind, FailureKind::Usage);
    }

    #[test]
    fn it_is_never_shown() {
        let dsn = Dsn::new("postgres://u:hunter2@a/x\n", "$DSN").unwrap();
        assert_eq!(dsn.expose(), "postgres://u:hunter2@a/x");
        assert!(!format!("{dsn:?}").contains("hunter2"));
    }
}
