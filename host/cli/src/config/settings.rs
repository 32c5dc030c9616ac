//! What a verb works with: the command line over the configuration file over the defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use vllm_rollback_engine::failure::Failure;

use crate::args::checks::ChecksArgs;
use crate::args::traffic::{RouterService, TrafficArgs};
use crate::config::file::File;
use crate::config::registry::{self, Registry};
use crate::env::Env;
use crate::exit;
use crate::secret::{Secret, Source};

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

/// The router that clients use.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    /// Its URL for clients, without secrets; routed checks use it.
    pub(crate) url: Option<String>,
    /// Where its replicas are asked.
    pub(crate) place: Place,
    /// Its API key.
    pub(crate) key: Option<Secret>,
}

/// Where a router's replicas are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At these URLs.
    Urls(Vec<String>),
    /// Behind a Service of the cluster.
    Service(RouterService),
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
        let router = router(traffic, &file, env)?;
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

/// A flag pair wins over a key pair as a whole: `--…-env` on the command line beats `…_file` in the configuration.
pub(super) fn source(
    flags: (&Option<String>, &Option<PathBuf>),
    keys: (&Option<String>, &Option<PathBuf>),
) -> Option<Source> {
    Source::of(flags.0.clone(), flags.1.clone()).or_else(|| Source::of(keys.0.clone(), keys.1.clone()))
}

fn router(traffic: &TrafficArgs, file: &File, env: &Env) -> Result<Option<Router>, Failure> {
    let keys = &file.router;
    let key = source(
        (&traffic.router_key_env, &traffic.router_key_file),
        (&keys.key_env, &keys.key_file),
    );
    let url = traffic.router_url.clone().or(keys.url.clone());
    let (replicas, service) = match (&traffic.router_service, traffic.router_replica.as_slice()) {
        (None, []) => (keys.replicas.clone(), keys.service.clone()),
        (service, replicas) => (replicas.to_vec(), service.clone()),
    };
    let place = match (service, replicas, &url) {
        (Some(_), replicas, _) if !replicas.is_empty() => {
            return Err(
                exit::usage("the router's replicas are set by URL and by Service").next("leave one of them out")
            );
        }
        (Some(service), _, _) => Place::Service(service),
        (None, replicas, _) if !replicas.is_empty() => Place::Urls(replicas),
        (None, _, Some(url)) => Place::Urls(vec![url.clone()]),
        (None, _, None) if key.is_some() => {
            return Err(
                exit::usage("a key for the router is set, but not its URL").next("name it with --router-url URL")
            );
        }
        (None, _, None) => return Ok(None),
    };
    Ok(Some(Router {
        url,
        place,
        key: key.map(|key| key.read("the router's API key", env)).transpose()?,
    }))
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
    fn a_routers_replicas_are_its_service_or_urls_and_else_its_own_url() {
        let place = |text: &str| {
            let file = File::parse(text).unwrap();
            let merged = merge(TrafficArgs::default(), file, Env::default());
            merged.map(|settings| settings.router.map(|router| router.place))
        };
        let url = || "http://r:1".to_owned();
        assert_eq!(
            place("router: {url: 'http://r:1'}").unwrap(),
            Some(Place::Urls(vec![url()]))
        );
        assert_eq!(
            place("router: {replicas: ['http://r:1']}").unwrap(),
            Some(Place::Urls(vec![url()]))
        );
        assert_eq!(
            place("router: {url: 'http://r:1', service: 'llm/vllm-router:8000'}").unwrap(),
            Some(Place::Service(RouterService {
                namespace: Some("llm".into()),
                name: "vllm-router".into(),
                port: Some(8000)
            }))
        );
        assert_eq!(place("").unwrap(), None);
        assert!(place("router: {replicas: ['http://r:1'], service: r}").is_err());
        assert!(place("registry: {driver: vllm-router}").is_err());
    }

    #[test]
    fn a_service_is_named_with_or_without_namespace_and_port() {
        for wrong in ["", "/r", "a/b/c", "r:x", "R", "a b"] {
            assert!(wrong.parse::<RouterService>().is_err(), "{wrong}");
        }
        assert_eq!("r".parse::<RouterService>().unwrap().port, None);
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
