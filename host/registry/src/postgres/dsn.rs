//! Connection strings, which hold passwords: read from the environment or a file only, never shown.

use std::ffi::OsString;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use vllm_rollback_engine::failure::{Failure, FailureKind};

/// What the runbook's own tool reads, and what its scripts and pages say that it reads. A site that sets both to
/// different databases gets a refusal instead of a guess.
const RUNBOOK_VARIABLES: [&str; 2] = ["ADMIN_CLI_DATABASE_URL", "DATABASE_URL"];

/// No connection string is longer.
const MAX_BYTES: u64 = 64 * 1024;

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
            return Err(Failure::new(
                FailureKind::Usage,
                format!("the connection string in {origin} is empty"),
            )
            .next("put it there, on one line"));
        }
        Ok(Self {
            text: text.into(),
            origin,
        })
    }

    /// From the variables of the runbook: `ADMIN_CLI_DATABASE_URL`, else `DATABASE_URL`. `variable` looks one up.
    ///
    /// # Errors
    /// `Usage` when neither is set; `Refused` when both are and differ.
    pub fn from_env(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Failure> {
        let [first, second] = RUNBOOK_VARIABLES.map(|name| read_variable(&variable, name));
        match (first?, second?) {
            (Some(a), Some(b)) if a.expose() != b.expose() => {
                Err(Failure::new(FailureKind::Refused, "which database to use is not clear")
                    .because(format!(
                        "{} and {} are both set, to different values",
                        a.origin, b.origin
                    ))
                    .next(format!("unset one of them: unset {}", RUNBOOK_VARIABLES[1]))
                    .next("or name the variable: --postgres-dsn-env NAME"))
            }
            (Some(dsn), _) | (None, Some(dsn)) => Ok(dsn),
            (None, None) => Err(Failure::new(FailureKind::Usage, "no database is named")
                .because(format!(
                    "neither {} nor {} is set",
                    RUNBOOK_VARIABLES[0], RUNBOOK_VARIABLES[1]
                ))
                .next("name the variable that holds its URL: --postgres-dsn-env NAME")
                .next("or the file: --postgres-dsn-file FILE")),
        }
    }

    /// From a file; white space around it does not belong to it.
    ///
    /// # Errors
    /// `Usage` when it cannot be read, is too long or empty.
    pub fn from_file(path: &Path) -> Result<Self, Failure> {
        let place = path.display().to_string();
        let wrong = |why: String| {
            Failure::new(
                FailureKind::Usage,
                format!("the connection string cannot be read from {place}"),
            )
            .because(why)
            .next("name a file that you can read and that holds nothing else")
        };
        let length = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
        if length > MAX_BYTES {
            return Err(wrong(format!("it has {length} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        Self::new(&text, place)
    }

    /// The text itself, for the one place that connects.
    pub(super) fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Where it was read.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

fn read_variable(variable: impl Fn(&str) -> Option<OsString>, name: &str) -> Result<Option<Dsn>, Failure> {
    let Some(value) = variable(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.into_string().map_err(|_| {
        Failure::new(FailureKind::Usage, format!("${name} is not UTF-8")).next(format!("export {name}=postgres://…"))
    })?;
    Dsn::new(&text, format!("${name}")).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(first: Option<&str>, second: Option<&str>) -> Result<Dsn, Failure> {
        Dsn::from_env(|name| {
            let value = if name == "DATABASE_URL" { second } else { first };
            value.map(OsString::from)
        })
    }

    #[test]
    fn two_variables_that_differ_are_refused_and_two_that_agree_are_not() {
        let failure = from(Some("postgres://u:hunter2@a/x"), Some("postgres://u:hunter2@b/x")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(!failure.to_string().contains("hunter2"), "{failure}");
        assert_eq!(
            from(Some("postgres://a"), Some("postgres://a")).unwrap().origin(),
            "$ADMIN_CLI_DATABASE_URL"
        );
        assert_eq!(from(None, Some("postgres://a")).unwrap().origin(), "$DATABASE_URL");
        assert_eq!(from(Some(""), None).unwrap_err().kind, FailureKind::Usage);
    }

    #[test]
    fn a_file_is_read_without_its_line_break_and_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "postgres://u:hunter2@a/x\n").unwrap();
        let dsn = Dsn::from_file(file.path()).unwrap();
        assert_eq!(dsn.expose(), "postgres://u:hunter2@a/x");
        assert!(!format!("{dsn:?}").contains("hunter2"));
        assert!(Dsn::from_file(Path::new("/nowhere/at/all")).is_err());
    }
}
