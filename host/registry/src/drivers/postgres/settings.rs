//! Settings of the driver: flags, keys of the configuration, variables of the runbook.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_settings::Env;
use vllm_rollback_settings::keys::{self, NoSecret};
use vllm_rollback_settings::secret::{Source, Typed, assert_none_typed};

use super::cache::{Cache, CacheMode};
use super::columns::{Columns, Table};
use super::dsn::Dsn;
use super::{PostgresConfig, PostgresRegistry};
use crate::context::{DriverContext, DriverSettings};
use crate::status::Statuses;

/// Ways to deal with a registry entry that routers still hold in Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RedisMode {
    /// Delete it
    #[default]
    Del,
    /// Wait until it expires
    Wait,
}

/// The driver's flags.
#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Environment variable that holds the registry's connection string
    #[arg(long, value_name = "NAME", conflicts_with = "postgres_dsn_file")]
    postgres_dsn_env: Option<String>,
    /// File that holds the registry's connection string
    #[arg(long, value_name = "FILE")]
    postgres_dsn_file: Option<PathBuf>,
    /// Environment variable that holds the URL of the routers' Redis
    #[arg(long, value_name = "NAME", conflicts_with = "redis_url_file")]
    redis_url_env: Option<String>,
    /// File that holds the URL of the routers' Redis
    #[arg(long, value_name = "FILE")]
    redis_url_file: Option<PathBuf>,
    /// Handling of the entry that routers hold in Redis [default: del]
    #[arg(long, value_enum, value_name = "MODE")]
    redis: Option<RedisMode>,
    /// Would put a secret where all users of the machine can read it.
    #[arg(long, hide = true, alias = "postgres-dsn", alias = "database-url")]
    postgres_url: Option<Typed>,
    /// As the one before.
    #[arg(long, hide = true)]
    redis_url: Option<Typed>,
}

/// `registry.postgres:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Variable that holds the connection string.
    #[serde(deserialize_with = "keys::variable")]
    pub dsn_env: Option<String>,
    /// File that holds it.
    pub dsn_file: Option<PathBuf>,
    /// Table, the runbook's by default.
    #[serde(deserialize_with = "keys::parsed")]
    pub table: Table,
    /// Names of its columns, where they have other names than the runbook's.
    pub columns: Columns,
    /// Words for in and out of traffic, where they are others than the runbook's.
    pub statuses: Statuses,
    dsn: NoSecret,
    url: NoSecret,
    password: NoSecret,
}

/// `registry.redis:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheKeys {
    /// Variable that holds the URL.
    #[serde(deserialize_with = "keys::variable")]
    pub url_env: Option<String>,
    /// File that holds it.
    pub url_file: Option<PathBuf>,
    /// Delete the entry, or wait until it expires.
    pub mode: Option<RedisMode>,
    url: NoSecret,
    password: NoSecret,
}

/// The driver's settings.
#[derive(Debug)]
pub(crate) struct Settings {
    dsn: Dsn,
    table: Table,
    columns: Columns,
    statuses: Statuses,
    /// URL of the routers' Redis.
    cache: Option<(Dsn, CacheMode)>,
}

impl Flags {
    /// Any of them is given.
    pub(crate) fn are_given(&self) -> bool {
        self.postgres_dsn_env.is_some()
            || self.postgres_dsn_file.is_some()
            || self.redis_url_env.is_some()
            || self.redis_url_file.is_some()
            || self.redis.is_some()
    }

    /// Refuses secrets on the command line.
    ///
    /// # Errors
    /// Usage, naming the flags that are safe, and never the value.
    pub(crate) fn assert_no_secret(&self) -> Result<(), Failure> {
        assert_none_typed(
            "--postgres-dsn",
            ("--postgres-url", self.postgres_url.is_some()),
            self.postgres_dsn_env.as_deref(),
            self.postgres_dsn_file.as_deref(),
        )?;
        assert_none_typed(
            "--redis-url",
            ("--redis-url", self.redis_url.is_some()),
            self.redis_url_env.as_deref(),
            self.redis_url_file.as_deref(),
        )
    }
}

impl Keys {
    /// Takes relative paths from this directory.
    pub(crate) fn anchor(&mut self, directory: &Path) {
        self.dsn_file = self.dsn_file.take().map(|file| directory.join(file));
    }
}

impl CacheKeys {
    /// Takes relative paths from this directory.
    pub(crate) fn anchor(&mut self, directory: &Path) {
        self.url_file = self.url_file.take().map(|file| directory.join(file));
    }
}

impl Settings {
    /// Flags over keys over the runbook's.
    ///
    /// # Errors
    /// Usage: no database is named, a secret cannot be read, a cache without its place.
    pub(crate) fn new(flags: &Flags, keys: &Keys, cache: &CacheKeys, env: &Env) -> Result<Self, Failure> {
        let dsn = Source::first(
            (&flags.postgres_dsn_env, &flags.postgres_dsn_file),
            (&keys.dsn_env, &keys.dsn_file),
        );
        Ok(Self {
            dsn: match dsn {
                Some(source) => Dsn::read(&source, "the registry's connection string", env)?,
                None => Dsn::from_env(env)?,
            },
            table: keys.table.clone(),
            columns: keys.columns.clone(),
            statuses: keys.statuses.clone(),
            cache: cache_settings(flags, cache, env)?,
        })
    }
}

fn cache_settings(flags: &Flags, keys: &CacheKeys, env: &Env) -> Result<Option<(Dsn, CacheMode)>, Failure> {
    let url = Source::first(
        (&flags.redis_url_env, &flags.redis_url_file),
        (&keys.url_env, &keys.url_file),
    );
    let mode = flags.redis.or(keys.mode);
    let Some(url) = url else {
        return match mode {
            None => Ok(None),
            Some(_) => Err(Failure::usage("what to do about Redis is set, but not where it is")
                .next("name the environment variable that holds its URL: --redis-url-env NAME")),
        };
    };
    let mode = match mode.unwrap_or_default() {
        RedisMode::Del => CacheMode::Delete,
        RedisMode::Wait => CacheMode::Wait(Cache::RUNBOOK_TTL),
    };
    Ok(Some((Dsn::read(&url, "the URL of Redis", env)?, mode)))
}

#[async_trait]
impl DriverSettings for Settings {
    async fn make(&self, session: &DriverContext) -> Result<Box<dyn Registry>, Failure> {
        let cache = self.cache.as_ref().map(|(url, mode)| Cache::new(url, *mode));
        Ok(Box::new(PostgresRegistry::new(PostgresConfig {
            dsn: self.dsn.clone(),
            table: self.table.clone(),
            columns: self.columns.clone(),
            statuses: self.statuses.clone(),
            model: session.model().await?,
            environment: session.environment.clone().unwrap_or_default(),
            owner: session.endpoints.clone(),
            cache: cache.transpose()?,
            router: session.router.clone(),
        })?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &Flags, keys: &Keys, env: &Env) -> Result<Settings, Failure> {
        Settings::new(flags, keys, &CacheKeys::default(), env)
    }

    #[test]
    fn the_command_line_wins_over_the_file_as_a_pair() {
        let env = Env::from([("FILE_DSN", "from-file"), ("FLAG_DSN", "from-flag")]);
        let flags = Flags {
            postgres_dsn_env: Some("FLAG_DSN".into()),
            ..Flags::default()
        };
        let keys = Keys {
            dsn_env: Some("FILE_DSN".into()),
            ..Keys::default()
        };
        assert_eq!(settings(&flags, &keys, &env).unwrap().dsn.origin(), "$FLAG_DSN");
        assert_eq!(
            settings(&Flags::default(), &keys, &env).unwrap().dsn.origin(),
            "$FILE_DSN"
        );
        let failure = settings(&Flags::default(), &keys, &Env::default()).unwrap_err();
        assert!(failure.to_string().contains("FILE_DSN is not set"), "{failure}");
    }

    #[test]
    fn a_database_that_nobody_names_is_told_with_the_flag_that_does() {
        let failure = settings(&Flags::default(), &Keys::default(), &Env::default()).unwrap_err();
        assert!(failure.next[0].contains("--postgres-dsn-env NAME"), "{failure:?}");
    }

    #[test]
    fn a_cache_without_its_place_is_a_usage_error() {
        let flags = Flags {
            redis: Some(RedisMode::Wait),
            ..Flags::default()
        };
        let env = Env::from([("DATABASE_URL", "postgres://db/r")]);
        let failure = settings(&flags, &Keys::default(), &env).unwrap_err();
        assert!(failure.next[0].contains("--redis-url-env NAME"), "{failure:?}");
    }

    #[test]
    fn a_connection_string_in_a_flag_is_refused_without_repeating_it() {
        let url = "postgres://u:hunter2@db/r".to_owned();
        let attempts = [
            Flags {
                postgres_dsn_env: Some(url.clone()),
                ..Flags::default()
            },
            Flags {
                postgres_dsn_file: Some(url.clone().into()),
                ..Flags::default()
            },
            Flags {
                postgres_url: Some(Typed),
                ..Flags::default()
            },
            Flags {
                redis_url_file: Some(url.into()),
                ..Flags::default()
            },
        ];
        for flags in attempts {
            let failure = flags.assert_no_secret().unwrap_err();
            let text = format!("{failure} {:?}", failure.next);
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.contains("-env NAME"), "{text}");
        }
    }
}
