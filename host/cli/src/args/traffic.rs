//! Flags for the registry and the router.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;
use vllm_rollback_engine::failure::Failure;

use super::route_name::RouteName;
use crate::{duration, exit};

/// How the model is taken out of traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Driver {
    /// The release's Services select no pod until the model is let back
    #[default]
    Service,
    /// The registry table of the runbook
    Postgres,
    /// A tool of the site; its commands are in the configuration
    Exec,
    /// The deployments of a LiteLLM proxy
    Litellm,
    /// The worker lists of a vllm-router's replicas
    VllmRouter,
    /// The weights of Gateway API routes
    Route,
    /// Nothing: clients reach the model during the whole rollback
    None,
}

/// What is done about a registry entry that routers still hold in Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RedisMode {
    /// Delete it
    #[default]
    Del,
    /// Wait until it expires
    Wait,
}

/// `[NAMESPACE/]NAME[:PORT]`: a Service whose pods are the router's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouterService {
    /// Its namespace, where it is not the release's.
    pub(crate) namespace: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// The pods' port, where it is not the Service's first.
    pub(crate) port: Option<u16>,
}

impl std::str::FromStr for RouterService {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, rest) = match text.split_once('/') {
            Some((namespace, rest)) => (Some(namespace.to_owned()), rest),
            None => (None, text),
        };
        let (name, port) = match rest.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| format!("\"{port}\" is no port"))?)),
            None => (rest, None),
        };
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 63
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        if !is_name(name) || !namespace.as_deref().is_none_or(is_name) {
            return Err(format!("\"{text}\" is not [NAMESPACE/]NAME[:PORT] of a Service"));
        }
        Ok(Self {
            namespace,
            name: name.to_owned(),
            port,
        })
    }
}

/// The registry and the router.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Traffic")]
pub(crate) struct TrafficArgs {
    /// How the model is taken out of traffic [default: service]; several with commas, the outermost first
    #[arg(long, value_enum, value_name = "DRIVER", value_delimiter = ',')]
    pub(crate) registry: Vec<Driver>,
    /// Model name that clients ask for, where the release does not tell it
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Environment of the registry's row, as in the runbook
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Environment variable that holds the registry's connection string
    #[arg(long, value_name = "NAME", conflicts_with = "postgres_dsn_file")]
    pub(crate) postgres_dsn_env: Option<String>,
    /// File that holds the registry's connection string
    #[arg(long, value_name = "FILE")]
    pub(crate) postgres_dsn_file: Option<PathBuf>,
    /// Environment variable that holds the URL of the routers' Redis
    #[arg(long, value_name = "NAME", conflicts_with = "redis_url_file")]
    pub(crate) redis_url_env: Option<String>,
    /// File that holds the URL of the routers' Redis
    #[arg(long, value_name = "FILE")]
    pub(crate) redis_url_file: Option<PathBuf>,
    /// A route that leads to the model beside those in its namespace; KIND is httproute or aigatewayroute; repeatable
    #[arg(long, value_name = "[KIND/][NAMESPACE/]NAME")]
    pub(crate) route: Vec<RouteName>,
    /// What is done about the entry that routers hold in Redis [default: del]
    #[arg(long, value_enum, value_name = "MODE")]
    pub(crate) redis: Option<RedisMode>,
    /// Router that clients use; routed checks ask it, else one of its replicas
    #[arg(long, value_name = "URL")]
    pub(crate) router_url: Option<String>,
    /// A replica of that router, asked by itself; repeatable
    #[arg(long, value_name = "URL")]
    pub(crate) router_replica: Vec<String>,
    /// Service of that router, whose pods are its replicas, asked through the API server
    #[arg(long, value_name = "[NAMESPACE/]NAME[:PORT]", conflicts_with = "router_replica")]
    pub(crate) router_service: Option<RouterService>,
    /// Environment variable that holds the router's API key
    #[arg(long, value_name = "NAME", conflicts_with = "router_key_file")]
    pub(crate) router_key_env: Option<String>,
    /// File that holds the router's API key
    #[arg(long, value_name = "FILE")]
    pub(crate) router_key_file: Option<PathBuf>,
    /// Longest wait for requests in flight before the pods are replaced [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    pub(crate) drain_timeout: Option<Duration>,
    /// Flags that are refused.
    #[command(flatten)]
    pub(crate) refused: RefusedArgs,
}

/// Flags that people try and that would put a secret where all users of the machine can read it.
#[derive(Clone, Default, Args)]
pub(crate) struct RefusedArgs {
    #[arg(long, hide = true, alias = "postgres-dsn", alias = "database-url")]
    postgres_url: Option<String>,
    #[arg(long, hide = true)]
    redis_url: Option<String>,
    #[arg(long, hide = true, alias = "router-api-key")]
    router_key: Option<String>,
}

/// Their values are secrets.
impl std::fmt::Debug for RefusedArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefusedArgs")
    }
}

impl TrafficArgs {
    /// A flag that only the postgres driver understands was given.
    pub(crate) fn has_postgres_flags(&self) -> bool {
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
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let refused = &self.refused;
        for (given, flag, safe) in [
            (&refused.postgres_url, "--postgres-url", "--postgres-dsn"),
            (&refused.redis_url, "--redis-url", "--redis-url"),
            (&refused.router_key, "--router-key", "--router-key"),
        ] {
            if given.is_some() {
                return Err(secret_in_argument(flag, safe));
            }
        }
        for (name, flag, safe) in [
            (&self.postgres_dsn_env, "--postgres-dsn-env", "--postgres-dsn"),
            (&self.redis_url_env, "--redis-url-env", "--redis-url"),
            (&self.router_key_env, "--router-key-env", "--router-key"),
        ] {
            if name.as_ref().is_some_and(|name| !is_variable_name(name)) {
                return Err(secret_in_argument(flag, safe).because(format!(
                    "{flag} takes the name of an environment variable, not its value"
                )));
            }
        }
        let path_is_url = |path: &PathBuf| path.to_string_lossy().contains("://");
        for (file, flag, safe) in [
            (&self.postgres_dsn_file, "--postgres-dsn-file", "--postgres-dsn"),
            (&self.redis_url_file, "--redis-url-file", "--redis-url"),
        ] {
            if file.as_ref().is_some_and(path_is_url) {
                return Err(secret_in_argument(flag, safe).because(format!("{flag} takes the path of a file")));
            }
        }
        self.router_url
            .iter()
            .chain(&self.router_replica)
            .try_for_each(|url| router_url(url))
    }
}

fn secret_in_argument(flag: &str, safe: &str) -> Failure {
    exit::usage(format!(
        "{flag} would carry a secret in the command line, where other users can read it"
    ))
    .next(format!(
        "put it into an environment variable and name that: {safe}-env NAME"
    ))
    .next(format!("or into a file that only you can read: {safe}-file FILE"))
}

/// A variable's name, and not by mistake its value.
pub(crate) fn is_variable_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// An `http` or `https` URL without user and password.
///
/// # Errors
/// Usage; the URL itself is not repeated when it may hold a password.
pub(crate) fn router_url(text: &str) -> Result<(), Failure> {
    let parsed = reqwest::Url::parse(text).map_err(|error| {
        exit::usage("the router's URL cannot be read")
            .because(error.to_string())
            .next("write it like http://api-router:8080")
    })?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(secret_in_argument(
            "a router URL with user and password",
            "--router-key",
        ));
    }
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(exit::usage(format!("\"{text}\" is not an HTTP URL")).next("write it like http://api-router:8080"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_in_a_flag_is_refused_without_repeating_it() {
        let url = "postgres://u:hunter2@db/r".to_owned();
        let attempts = [
            TrafficArgs {
                postgres_dsn_env: Some(url.clone()),
                ..TrafficArgs::default()
            },
            TrafficArgs {
                postgres_dsn_file: Some(url.clone().into()),
                ..TrafficArgs::default()
            },
            TrafficArgs {
                router_url: Some("http://u:hunter2@router".into()),
                ..TrafficArgs::default()
            },
            TrafficArgs {
                refused: RefusedArgs {
                    postgres_url: Some(url),
                    ..RefusedArgs::default()
                },
                ..TrafficArgs::default()
            },
        ];
        for args in attempts {
            let failure = args.check().unwrap_err();
            let text = format!("{failure} {:?}", failure.next);
            assert!(!text.contains("hunter2"), "{text}");
            assert!(text.contains("-env NAME"), "{text}");
        }
    }

    #[test]
    fn a_router_needs_an_http_url() {
        for text in ["api-router:8080", "ftp://x", "http://", "not a url"] {
            assert!(router_url(text).is_err(), "{text}");
        }
        assert!(router_url("http://127.0.0.1:8080").is_ok());
    }
}
