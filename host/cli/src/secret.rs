//! Secrets: named on the command line or in the configuration, read from the environment or a file.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;
use vllm_rollback_engine::failure::Failure;

use crate::env::Env;
use crate::exit;

/// No secret is longer.
const MAX_BYTES: u64 = 64 * 1024;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
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
    pub(crate) fn first(
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
    pub(crate) fn read(&self, what: &str, env: &Env) -> Result<SecretString, Failure> {
        let absent = |why: String| exit::usage(format!("{what} cannot be read")).because(why);
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
