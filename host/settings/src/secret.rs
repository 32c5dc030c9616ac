//! Secrets: named on the command line or in the configuration, read from the environment or a file.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;
use vllm_rollback_engine::failure::Failure;

use crate::env::{Env, is_variable_name};

/// No secret is longer.
const MAX_BYTES: u64 = 64 * 1024;

/// The place of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In this environment variable.
    Variable(String),
    /// In this file; a line break at its end does not belong to it.
    File(PathBuf),
}

impl Source {
    /// From a flag or key pair `…_env` and `…_file`; the file when both are given.
    fn of(variable: Option<String>, file: Option<PathBuf>) -> Option<Self> {
        file.map(Self::File).or(variable.map(Self::Variable))
    }

    /// Of the flags, else of the keys: a pair wins as a whole, so `--…-env` on the command line beats `…_file` in the configuration.
    pub fn first(
        flags: (&Option<String>, &Option<PathBuf>),
        keys: (&Option<String>, &Option<PathBuf>),
    ) -> Option<Self> {
        let of = |(variable, file): (&Option<String>, &Option<PathBuf>)| Self::of(variable.clone(), file.clone());
        of(flags).or_else(|| of(keys))
    }

    /// Reads the secret. `what` is a noun for messages: `the registry's connection string`.
    ///
    /// # Errors
    /// Usage, when it is not there.
    pub fn read(&self, what: &str, env: &Env) -> Result<SecretString, Failure> {
        let absent = |why: String| Failure::usage(format!("{what} cannot be read")).because(why);
        let text = match self {
            Self::Variable(name) => env.owned(name).ok_or_else(|| {
                absent(format!("the environment variable {name} is not set")).next(format!("export {name}=…"))
            })?,
            Self::File(path) => {
                let place = path.display();
                let wrong =
                    |error: std::io::Error| absent(format!("{place}: {error}")).next("name a file that you can read");
                if std::fs::metadata(path).map_err(wrong)?.len() > MAX_BYTES {
                    return Err(absent(format!("{place} has more than {MAX_BYTES} bytes")).next("name the right file"));
                }
                std::fs::read_to_string(path).map_err(wrong)?
            }
        };
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(absent("it is empty".to_owned()).next("put it there, on one line")),
            secret => Ok(SecretString::from(secret)),
        }
    }
}

/// As messages name it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "${name}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A secret that was typed into a flag: that it was, and never the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Typed;

impl FromStr for Typed {
    type Err = Infallible;

    fn from_str(_: &str) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

/// Refuses a secret that is typed where only its place may be. `safe` is how the flags for that place begin: `--postgres-dsn`;
/// `tried` is the flag that people try instead, and whether it was given.
///
/// # Errors
/// Usage, naming the flags that are safe, and never the value.
pub fn assert_none_typed(
    safe: &str,
    tried: (&str, bool),
    variable: Option<&str>,
    file: Option<&Path>,
) -> Result<(), Failure> {
    if tried.1 {
        return Err(typed_secret(tried.0, safe));
    }
    if variable.is_some_and(|name| !is_variable_name(name)) {
        let flag = format!("{safe}-env");
        return Err(typed_secret(&flag, safe).because(format!(
            "{flag} takes the name of an environment variable, not its value"
        )));
    }
    if file.is_some_and(|path| path.to_string_lossy().contains("://")) {
        let flag = format!("{safe}-file");
        return Err(typed_secret(&flag, safe).because(format!("{flag} takes the path of a file")));
    }
    Ok(())
}

/// The refusal of a secret in a flag, with the flags that are safe: how they begin is `safe`.
pub fn typed_secret(flag: &str, safe: &str) -> Failure {
    Failure::usage(format!(
        "{flag} would carry a secret in the command line, where other users can read it"
    ))
    .next(format!(
        "put it into an environment variable and name that: {safe}-env NAME"
    ))
    .next(format!("or into a file that only you can read: {safe}-file FILE"))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_is_read_from_where_it_is_and_never_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let env = Env::from([("DSN", "hunter2")]);
        for source in [Source::Variable("DSN".into()), Source::File(file.path().into())] {
            let secret = source.read("the key", &env).unwrap();
            assert_eq!(secret.expose_secret(), "hunter2");
            assert!(!format!("{secret:?}").contains("hunter2"));
        }
    }

    #[test]
    fn an_absent_or_empty_secret_is_a_usage_error_that_names_its_place() {
        let failure = Source::Variable("DSN".into())
            .read("the key", &Env::from([("DSN", "")]))
            .unwrap_err();
        assert_eq!(
            failure.to_string(),
            "the key cannot be read: the environment variable DSN is not set"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(
            Source::File(file.path().into())
                .read("the key", &Env::default())
                .is_err()
        );
        assert!(
            Source::File("/nowhere/key".into())
                .read("the key", &Env::default())
                .is_err()
        );
    }
}
