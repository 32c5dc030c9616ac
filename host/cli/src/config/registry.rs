//! The registry of the settings: which drivers, and what each is told.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_registry::Statuses;
use vllm_rollback_registry::exec::{Commands, ProcessEnv, Template};
use vllm_rollback_registry::postgres::{Columns, Dsn, Table};

use crate::args::route_name::RouteName;
use crate::args::traffic::{Driver, RedisMode, TrafficArgs};
use crate::config::file::File;
use crate::config::router::Router;
use crate::env::Env;
use crate::exit;
use crate::secret::Source;

/// A command of the registry's tool gets this long where nothing else is said.
const COMMAND: Duration = Duration::from_secs(30);

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
        /// Its columns.
        columns: Columns,
        /// Its words for in and out of traffic.
        statuses: Statuses,
        /// The routers' cache.
        redis: Option<Redis>,
    },
    /// The site's own tool.
    Exec(Exec),
    /// The deployments of the router, a LiteLLM proxy.
    LiteLlm,
    /// The worker lists of the router.
    VllmRouter,
    /// The weights of routes, in the gateway that is the router.
    Route {
        /// Routes beside those of the release's namespace.
        named: Vec<RouteName>,
    },
    /// Nothing.
    None,
}

/// The site's own tool.
#[derive(Debug, Clone)]
pub(crate) struct Exec {
    /// Its commands.
    pub(crate) commands: Commands,
    /// What they get.
    pub(crate) surroundings: ProcessEnv,
    /// How long routers may go on as before after a change.
    pub(crate) visible_after: Option<Duration>,
}

/// The routers' cache.
#[derive(Debug, Clone)]
pub(crate) struct Redis {
    /// Its URL, which may hold a password.
    pub(crate) url: Dsn,
    /// What is done about the entry.
    pub(crate) mode: RedisMode,
}

/// Those of the command line, else of the file, else the default.
///
/// # Errors
/// Usage: a driver without what it needs, a setting of a driver that is not used.
pub(super) fn registries(
    traffic: &TrafficArgs,
    file: &File,
    router: Option<&Router>,
    env: &Env,
) -> Result<Vec<Registry>, Failure> {
    let mut drivers = match traffic.registry.as_slice() {
        [] => file.registry.driver.clone(),
        named => named.to_vec(),
    };
    if drivers.is_empty() {
        drivers.push(Driver::default());
    }
    let is_twice = (1..drivers.len()).any(|at| drivers[..at].contains(&drivers[at]));
    if drivers.len() > 1 && (is_twice || drivers.contains(&Driver::None)) {
        return Err(
            exit::usage("several registries are named, and one of them twice, or none among them")
                .next("name each once, the outermost first: --registry postgres,service"),
        );
    }
    if !drivers.contains(&Driver::Postgres) && traffic.has_postgres_flags() {
        return Err(
            exit::usage("flags for a database or its cache are given, but the registry is another one")
                .next("say that it is the database: --registry postgres")
                .next("or leave out --postgres-… and --redis…"),
        );
    }
    if !drivers.contains(&Driver::Route) && !traffic.route.is_empty() {
        return Err(exit::usage("a route is named, but the registry is another one")
            .next("say that it is the routes: --registry route")
            .next("or leave out --route"));
    }
    drivers
        .into_iter()
        .map(|driver| registry(driver, traffic, file, router, env))
        .collect()
}

fn registry(
    driver: Driver,
    traffic: &TrafficArgs,
    file: &File,
    router: Option<&Router>,
    env: &Env,
) -> Result<Registry, Failure> {
    let keys = &file.registry;
    match driver {
        Driver::Service => Ok(Registry::Service),
        Driver::None => Ok(Registry::None),
        Driver::Exec => Ok(Registry::Exec(exec(file, env)?)),
        Driver::Litellm if router.is_some() => Ok(Registry::LiteLlm),
        Driver::VllmRouter if router.is_some() => Ok(Registry::VllmRouter),
        Driver::Route if router.is_some() => Ok(Registry::Route {
            named: match traffic.route.as_slice() {
                [] => keys.routes.clone(),
                named => named.to_vec(),
            },
        }),
        Driver::Route => Err(exit::usage(
            "the registry is a gateway's routes, but it is not said where the gateway is asked",
        )
        .next("name its Service, whose pods are asked: --router-service NAMESPACE/NAME")
        .next("or its URL: --router-url URL")),
        Driver::Litellm | Driver::VllmRouter => {
            Err(exit::usage("the registry is a router, but it is not said where it is")
                .next("name its Service: --router-service NAMESPACE/NAME")
                .next("or each of its replicas: --router-replica URL"))
        }
        Driver::Postgres => {
            let dsn = Source::first(
                (&traffic.postgres_dsn_env, &traffic.postgres_dsn_file),
                (&keys.postgres.dsn_env, &keys.postgres.dsn_file),
            );
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
                columns: keys.postgres.columns.merged(),
                statuses: keys.postgres.statuses.merged()?,
                redis: redis(traffic, file, env)?,
            })
        }
    }
}

fn connection_string(source: &Source, what: &str, env: &Env) -> Result<Dsn, Failure> {
    Dsn::new(source.read(what, env)?.expose_secret(), source.to_string())
}

/// What the runbook's `admin-cli` is called with, where the site says nothing else.
const ADMIN_CLI: [&[&str]; 3] = [
    &["admin-cli", "registry", "list", "--format=json"],
    &[
        "admin-cli",
        "registry",
        "disable",
        "--model-name={model}",
        "--environment={environment}",
    ],
    &[
        "admin-cli",
        "registry",
        "enable",
        "--model-name={model}",
        "--environment={environment}",
    ],
];

/// What any program may expect to find in its environment.
const COMMON: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ"];

fn exec(file: &File, env: &Env) -> Result<Exec, Failure> {
    let keys = &file.registry.exec;
    let command = |configured: &Option<Template>, default: &[&str]| match configured {
        Some(template) => Ok(template.clone()),
        None => Template::new(default.iter().copied()),
    };
    let [read, disable, enable] = ADMIN_CLI;
    let common = COMMON
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), env.owned(name)?)));
    let mut variables: BTreeMap<String, String> = common.collect();
    for name in &keys.env {
        let value = env.owned(name).ok_or_else(|| {
            exit::usage(format!("the registry's tool is to get ${name}, which is not set"))
                .next(format!("export {name}=…"))
        })?;
        variables.insert(name.clone(), value);
    }
    Ok(Exec {
        commands: Commands {
            read: command(&keys.read, read)?,
            disable: command(&keys.disable, disable)?,
            enable: command(&keys.enable, enable)?,
            restore: keys.restore.clone(),
        },
        surroundings: ProcessEnv {
            env: variables,
            secret: keys.env.clone(),
            timeout: keys.timeout.unwrap_or(COMMAND),
        },
        visible_after: keys.visible_after,
    })
}

fn redis(traffic: &TrafficArgs, file: &File, env: &Env) -> Result<Option<Redis>, Failure> {
    let keys = &file.registry.redis;
    let url = Source::first(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::tests::{merge, postgres_in_file};

    #[test]
    fn the_command_line_wins_over_the_file_key_by_key() {
        let env = Env::from([("FILE_DSN", "from-file"), ("FLAG_DSN", "from-flag")]);
        let flags = TrafficArgs {
            postgres_dsn_env: Some("FLAG_DSN".into()),
            ..TrafficArgs::default()
        };
        let settings = merge(flags, postgres_in_file(), env).unwrap();
        let [Registry::Postgres { dsn, .. }] = &settings.registries[..] else {
            panic!("the driver of the file")
        };
        assert_eq!(dsn.origin(), "$FLAG_DSN");
    }

    #[test]
    fn a_driver_without_what_it_needs_is_told_what_to_type() {
        let flags = TrafficArgs {
            registry: vec![Driver::Postgres],
            ..TrafficArgs::default()
        };
        let failure = merge(flags, File::default(), Env::default()).unwrap_err();
        assert!(failure.next[0].contains("--postgres-dsn-env NAME"), "{failure:?}");
    }

    #[test]
    fn several_registries_keep_their_order_and_each_is_named_once() {
        let drivers = |text: &str| {
            let env = Env::from([("DSN", "postgres://db/r")]);
            merge(TrafficArgs::default(), File::parse(text).unwrap(), env).map(|settings| settings.registries)
        };
        let postgres = "postgres: {dsn_env: DSN}";
        let both = drivers(&format!("registry: {{driver: [postgres, service], {postgres}}}")).unwrap();
        assert!(matches!(both[..], [Registry::Postgres { .. }, Registry::Service]));
        for wrong in ["[service, none]", "[service, service]"] {
            assert!(drivers(&format!("registry: {{driver: {wrong}}}")).is_err(), "{wrong}");
        }
        let flags = TrafficArgs {
            registry: vec![Driver::Service],
            ..TrafficArgs::default()
        };
        let file = File::parse(&format!("registry: {{driver: [postgres, service], {postgres}}}")).unwrap();
        let merged = merge(flags, file, Env::default()).unwrap();
        assert!(matches!(merged.registries[..], [Registry::Service]));
    }

    #[test]
    fn a_table_that_is_no_name_is_a_usage_error() {
        let text = "registry: {driver: postgres, postgres: {dsn_env: DSN, table: 'a; drop table b'}}";
        let env = Env::from([("DSN", "postgres://db/r")]);
        assert!(merge(TrafficArgs::default(), File::parse(text).unwrap(), env).is_err());
    }

    #[test]
    fn a_tool_gets_what_is_listed_and_is_the_runbooks_where_nothing_is_said() {
        let file =
            File::parse("registry: {driver: exec, exec: {env: [DSN], disable: [mine, off, '{model}']}}").unwrap();
        let env = Env::from([("DSN", "secret"), ("PATH", "/bin"), ("OTHER", "x")]);
        let merged = merge(TrafficArgs::default(), file.clone(), env).unwrap();
        let [Registry::Exec(exec)] = &merged.registries[..] else {
            panic!("the driver of the file")
        };
        let names: Vec<&str> = exec.surroundings.env.keys().map(String::as_str).collect();
        assert_eq!(names, ["DSN", "PATH"]);
        assert_eq!(exec.commands.read.program(), "admin-cli");
        assert_eq!(exec.commands.disable.program(), "mine");
        assert!(!format!("{exec:?}").contains("secret"));
        let failure = merge(TrafficArgs::default(), file, Env::default()).unwrap_err();
        assert!(failure.to_string().contains("$DSN"), "{failure}");
    }
}
