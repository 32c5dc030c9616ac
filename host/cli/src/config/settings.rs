//! What a verb works with: the command line over the configuration file over the defaults.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_registry::postgres::{Dsn, Table};

use crate::args::checks::ChecksArgs;
use crate::args::traffic::{Driver, RedisMode, TrafficArgs};
use crate::config::file::File;
use crate::env::Env;
use crate::exit;
use crate::secret::{Secret, Source};

/// Requests in flight get this long where nothing else is said.
const DRAIN: Duration = Duration::from_secs(30);

/// What a verb works with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How the model is taken out of traffic.
    pub(crate) registry: Registry,
    /// The router that clients use.
    pub(crate) router: Option<Router>,
    /// Model name that clients ask for.
    pub(crate) model: Option<String>,
    /// Environment in the registry.
    pub(crate) environment: Option<String>,
    /// Longest wait for requests in flight.
    pub(crate) drain: Duration,
    /// Longest wait for readiness that the configuration sets, instead of what the target's probes say.
    pub(crate) ready: Option<Duration>,
    /// Checks of the user's own.
    pub(crate) plugins: Vec<Plugin>,
    /// Grants of the command line, as typed: `PLUGIN=CAPABILITY`.
    pub(crate) grants: Vec<String>,
    /// Parameters: check → key → value.
    pub(crate) params: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

/// How the model is taken out of traffic.
#[derive(Debug, Clone)]
pub(crate) enum Registry {
    /// The release's Services.
    Service,
    /// The runbook's table.
    Postgres {
        /// Connection string.
        dsn: Dsn,
        /// Table.
        table: Table,
        /// The routers' cache.
        redis: Option<Redis>,
    },
    /// Nothing.
    None,
}

/// The routers' cache.
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    /// Its URL, which may hold a password.
    pub(crate) url: Dsn,
    /// What is done about the entry.
    pub(crate) mode: RedisMode,
}

/// The router that clients use.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    /// Its URL, without secrets.
    pub(crate) url: String,
    /// Its API key.
    pub(crate) key: Option<Secret>,
}

/// A check of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plugin {
    /// The component.
    pub(crate) file: PathBuf,
    /// What the configuration lets it reach.
    pub(crate) grants: Vec<String>,
    /// Its verdict decides.
    pub(crate) required: bool,
}

impl Settings {
    /// Merges; the command line wins key by key, lists and maps add up.
    ///
    /// # Errors
    /// Usage: a secret on the command line, a malformed grant or parameter, a driver without what it needs.
    pub(crate) fn merge(traffic: &TrafficArgs, checks: &ChecksArgs, file: File, env: &Env) -> Result<Self, Failure> {
        traffic.check()?;
        let mut params = file.checks.params.clone();
        for param in checks.parsed_params()? {
            params.entry(param.check).or_default().insert(param.key, param.value);
        }
        let mut plugins: Vec<Plugin> = file
            .checks
            .plugins
            .iter()
            .map(|plugin| Plugin {
                file: plugin.file.clone(),
                grants: plugin.grants.clone(),
                required: plugin.required,
            })
            .collect();
        plugins.extend(checks.plugins.iter().map(|file| Plugin {
            file: file.clone(),
            grants: Vec::new(),
            required: true,
        }));
        Ok(Self {
            registry: registry(traffic, &file, env)?,
            router: router(traffic, &file, env)?,
            model: traffic.model.clone().or(file.model),
            environment: traffic.environment.clone().or(file.environment),
            drain: traffic.drain_timeout.or(file.timeouts.drain).unwrap_or(DRAIN),
            ready: file.timeouts.ready,
            plugins,
            grants: checks.grants.clone(),
            params,
        })
    }
}

/// A flag pair wins over a key pair as a whole: `--…-env` on the command line beats `…_file` in the configuration.
fn source(flags: (&Option<String>, &Option<PathBuf>), keys: (&Option<String>, &Option<PathBuf>)) -> Option<Source> {
    Source::of(flags.0.clone(), flags.1.clone()).or_else(|| Source::of(keys.0.clone(), keys.1.clone()))
}

fn registry(traffic: &TrafficArgs, file: &File, env: &Env) -> Result<Registry, Failure> {
    let keys = &file.registry;
    let dsn = source(
        (&traffic.postgres_dsn_env, &traffic.postgres_dsn_file),
        (&keys.postgres.dsn_env, &keys.postgres.dsn_file),
    );
    let driver = traffic.registry.or(keys.driver).unwrap_or_default();
    if driver != Driver::Postgres && traffic.speaks_of_postgres() {
        return Err(
            exit::usage("flags for a database or its cache are given, but the registry is another one")
                .next("say that it is the database: --registry postgres")
                .next("or leave out --postgres-… and --redis…"),
        );
    }
    match driver {
        Driver::Service => Ok(Registry::Service),
        Driver::None => Ok(Registry::None),
        Driver::Postgres => {
            let dsn = match dsn {
                Some(source) => connection_string(&source, "the registry's connection string", env)?,
                None => Dsn::from_env(|name| env.owned(name).map(OsString::from))?,
            };
            Ok(Registry::Postgres {
                dsn,
                table: keys
                    .postgres
                    .table
                    .as_deref()
                    .map(str::parse)
                    .transpose()?
                    .unwrap_or_default(),
                redis: redis(traffic, file, env)?,
            })
        }
    }
}

fn connection_string(source: &Source, what: &str, env: &Env) -> Result<Dsn, Failure> {
    Dsn::new(source.read(what, env)?.expose(), source.to_string())
}

fn redis(traffic: &TrafficArgs, file: &File, env: &Env) -> Result<Option<Redis>, Failure> {
    let keys = &file.registry.redis;
    let url = source(
        (&traffic.redis_url_env, &traffic.redis_url_file),
        (&keys.url_env, &keys.url_file),
    );
    let mode = traffic.redis.or(keys.mode);
    match (url, mode) {
        (Some(url), mode) => Ok(Some(Redis {
            url: connection_string(&url, "the URL of Redis", env)?,
            mode: mode.unwrap_or_default(),
        })),
        (None, Some(_)) => Err(exit::usage("what to do about Redis is set, but not where it is")
            .next("name the environment variable that holds its URL: --redis-url-env NAME")),
        (None, None) => Ok(None),
    }
}

fn router(traffic: &TrafficArgs, file: &File, env: &Env) -> Result<Option<Router>, Failure> {
    let keys = &file.router;
    let key = source(
        (&traffic.router_key_env, &traffic.router_key_file),
        (&keys.key_env, &keys.key_file),
    );
    match (traffic.router_url.clone().or(keys.url.clone()), key) {
        (Some(url), key) => Ok(Some(Router {
            url,
            key: key.map(|key| key.read("the router's API key", env)).transpose()?,
        })),
        (None, Some(_)) => {
            Err(exit::usage("a key for the router is set, but not its URL").next("name it with --router-url URL"))
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(traffic: TrafficArgs, file: File, env: Env) -> Result<Settings, Failure> {
        Settings::merge(&traffic, &ChecksArgs::default(), file, &env)
    }

    fn postgres_in_file() -> File {
        File::parse("registry: {driver: postgres, postgres: {dsn_env: FILE_DSN}}").unwrap()
    }

    #[test]
    fn nothing_needs_configuring() {
        let settings = merge(TrafficArgs::default(), File::default(), Env::default()).unwrap();
        assert!(matches!(settings.registry, Registry::Service));
        assert!(settings.router.is_none());
        assert_eq!(settings.drain, DRAIN);
    }

    #[test]
    fn the_command_line_wins_over_the_file_key_by_key() {
        let env = Env::from([("FILE_DSN", "from-file"), ("FLAG_DSN", "from-flag")]);
        let flags = TrafficArgs {
            postgres_dsn_env: Some("FLAG_DSN".into()),
            ..TrafficArgs::default()
        };
        let settings = merge(flags, postgres_in_file(), env).unwrap();
        let Registry::Postgres { dsn, .. } = settings.registry else {
            panic!("the driver of the file")
        };
        assert_eq!(dsn.origin(), "$FLAG_DSN");
    }

    #[test]
    fn a_driver_without_what_it_needs_is_told_what_to_type() {
        let flags = TrafficArgs {
            registry: Some(Driver::Postgres),
            ..TrafficArgs::default()
        };
        let failure = merge(flags, File::default(), Env::default()).unwrap_err();
        assert!(failure.next[0].contains("--postgres-dsn-env NAME"), "{failure:?}");
    }

    #[test]
    fn a_table_that_is_no_name_is_a_usage_error() {
        let text = "registry: {driver: postgres, postgres: {dsn_env: DSN, table: 'a; drop table b'}}";
        let env = Env::from([("DSN", "postgres://db/r")]);
        assert!(merge(TrafficArgs::default(), File::parse(text).unwrap(), env).is_err());
    }

    #[test]
    fn an_unset_variable_is_a_usage_error() {
        let failure = merge(TrafficArgs::default(), postgres_in_file(), Env::default()).unwrap_err();
        assert!(failure.to_string().contains("FILE_DSN is not set"), "{failure}");
    }

    #[test]
    fn parameters_of_the_command_line_replace_those_of_the_file_one_by_one() {
        let mut file = File::default();
        let of_file = [("prompt".to_owned(), "a".into()), ("max_tokens".to_owned(), 5.into())];
        file.checks.params.insert("completion".into(), of_file.into());
        let checks = ChecksArgs {
            params: vec!["completion.prompt=b".into()],
            ..ChecksArgs::default()
        };
        let settings = Settings::merge(&TrafficArgs::default(), &checks, file, &Env::default()).unwrap();
        assert_eq!(settings.params["completion"]["prompt"], "b");
        assert_eq!(settings.params["completion"]["max_tokens"], 5);
    }
}
