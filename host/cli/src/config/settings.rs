//! What a verb works with: the command line over the configuration file over the defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use vllm_rollback_engine::failure::Failure;

use crate::args::checks::ChecksArgs;
use crate::args::traffic::TrafficArgs;
use crate::config::file::File;
use crate::config::registry::{self, Registry};
use crate::config::router::{self, Router};
use crate::env::Env;

/// Requests in flight get this long where nothing else is said.
const DRAIN: Duration = Duration::from_secs(30);

/// What a verb works with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How the model is taken out of traffic: at least one, the outermost first.
    pub(crate) registries: Vec<Registry>,
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
        let router = router::router(traffic, &file, env)?;
        Ok(Self {
            registries: registry::registries(traffic, &file, router.as_ref(), env)?,
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
    use super::*;

    pub(crate) fn merge(traffic: TrafficArgs, file: File, env: Env) -> Result<Settings, Failure> {
        Settings::merge(&traffic, &ChecksArgs::default(), file, &env)
    }

    pub(crate) fn postgres_in_file() -> File {
        File::parse("registry: {driver: postgres, postgres: {dsn_env: FILE_DSN}}").unwrap()
    }

    #[test]
    fn nothing_needs_configuring() {
        let settings = merge(TrafficArgs::default(), File::default(), Env::default()).unwrap();
        assert!(matches!(settings.registries[..], [Registry::Service]));
        assert!(settings.router.is_none());
        assert_eq!(settings.drain, DRAIN);
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
