//! Flags for the registry and the router.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_registry::DriverFlags;
use vllm_rollback_settings::duration;
use vllm_rollback_settings::secret::{Typed, assert_none_typed, typed_secret};

use crate::names::is_label;

/// `[NAMESPACE/]NAME[:PORT]`: a Service whose pods are the router's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouterService {
    /// The namespace, where it is not the release's.
    pub(crate) namespace: Option<String>,
    /// The name.
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
            Some((name, port)) => (
                name,
                Some(port.parse().map_err(|_| format!("\"{port}\" is not a port"))?),
            ),
            None => (rest, None),
        };
        if !is_label(name) || !namespace.as_deref().is_none_or(is_label) {
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
    /// Flags of the registry drivers.
    #[command(flatten)]
    pub(crate) drivers: DriverFlags,
    /// Model name that clients ask for, where the release does not tell it
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// Environment of the registry's row, as in the runbook
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
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
    /// Would put a secret where all users of the machine can read it.
    #[arg(long, hide = true, alias = "router-api-key")]
    router_key: Option<Typed>,
}

impl TrafficArgs {
    /// Refuses secrets on the command line.
    ///
    /// # Errors
    /// Usage, naming the flags that are safe, and never the value.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.drivers.assert_no_secret()?;
        assert_none_typed(
            "--router-key",
            ("--router-key", self.router_key.is_some()),
            self.router_key_env.as_deref(),
            self.router_key_file.as_deref(),
        )?;
        self.router_url
            .iter()
            .chain(&self.router_replica)
            .try_for_each(|url| router_url(url))
    }
}

/// An `http` or `https` URL without user and password.
///
/// # Errors
/// Usage; the URL itself is not repeated when it may hold a password.
pub(crate) fn router_url(text: &str) -> Result<(), Failure> {
    let parsed = reqwest::Url::parse(text).map_err(|error| {
        Failure::usage("the router's URL cannot be read")
            .because(error.to_string())
            .next("write it like http://api-router:8080")
    })?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(typed_secret("a router URL with user and password", "--router-key"));
    }
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(
            Failure::usage(format!("\"{text}\" is not an HTTP URL")).next("write it like http://api-router:8080")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_flag_is_refused_without_repeating_it() {
        let attempts = [
            TrafficArgs {
                router_url: Some("http://u:hunter2@router".into()),
                ..TrafficArgs::default()
            },
            TrafficArgs {
                router_key_env: Some("hunter2!".into()),
                ..TrafficArgs::default()
            },
            TrafficArgs {
                router_key: Some(Typed),
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
