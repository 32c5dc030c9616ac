//! Settings of a verb: the command line over the configuration file over the defaults.

use std::time::Duration;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_registry::Drivers;
use vllm_rollback_settings::Env;

use crate::args::checks::{ChecksArgs, parameter};
use crate::args::traffic::TrafficArgs;
use crate::config::file::{File, Params, Plugin};
use crate::config::router::{self, Router};

/// Requests in flight get this long where nothing else is said.
const DRAIN: Duration = Duration::from_secs(30);

/// The settings of a verb.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Drivers that take the model out of traffic.
    pub(crate) drivers: Drivers,
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
    pub(crate) params: Params,
}

impl Settings {
    /// Merges; the command line wins key by key, lists and maps add up.
    ///
    /// # Errors
    /// Usage: a secret on the command line, a malformed grant or parameter, a driver without what it needs.
    pub(crate) fn merge(traffic: &TrafficArgs, checks: &ChecksArgs, file: File, env: &Env) -> Result<Self, Failure> {
        traffic.check()?;
        let router = router::router(traffic, &file, env)?;
        let mut params = file.checks.params;
        for param in &checks.params {
            let (check, key, value) = parameter(param)?;
            params.entry(check).or_default().insert(key, value);
        }
        let mut plugins = file.checks.plugins;
        plugins.extend(checks.plugins.iter().map(|file| Plugin {
            file: file.clone(),
            grants: Vec::new(),
            required: true,
        }));
        Ok(Self {
            drivers: Drivers::new(&traffic.drivers, &file.registry, router.is_some(), env)?,
            router,
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

#[cfg(test)]
pub(super) mod tests {
    use vllm_rollback_registry::DriverName;

    use super::*;

    pub(crate) fn merge(traffic: TrafficArgs, file: File, env: Env) -> Result<Settings, Failure> {
        Settings::merge(&traffic, &ChecksArgs::default(), file, &env)
    }

    #[test]
    fn nothing_needs_configuring() {
        let settings = merge(TrafficArgs::default(), File::default(), Env::default()).unwrap();
        assert!(settings.drivers.names().eq([DriverName::Service]));
        assert!(settings.router.is_none());
        assert_eq!(settings.drain, DRAIN);
    }

    #[test]
    fn parameters_of_the_command_line_replace_those_of_the_file_one_by_one() {
        let mut file = File::default();
        let of_file = [("prompt".to_owned(), "a".into()), ("max_tokens".to_owned(), 5.into())];
        file.checks
            .params
            .insert("completion".into(), of_file.into_iter().collect());
        let checks = ChecksArgs {
            params: vec!["completion.prompt=b".into()],
            ..ChecksArgs::default()
        };
        let settings = Settings::merge(&TrafficArgs::default(), &checks, file, &Env::default()).unwrap();
        assert_eq!(settings.params["completion"]["prompt"], "b");
        assert_eq!(settings.params["completion"]["max_tokens"], 5);
    }
}
