//! The configuration file. Unknown keys are errors; secrets are named, never held.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Deserializer};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_registry::exec::Template;

use crate::args::route_name::RouteName;
use crate::args::traffic::{Driver, RedisMode, RouterService};
use crate::config::postgres_columns::{Columns, StatusNames};
use crate::{duration, exit};

/// A configuration is a page, not a book.
const MAX_BYTES: u64 = 256 * 1024;

/// Characters of a complaint, which may name a key of any length.
const MAX_COMPLAINT: usize = 300;

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    /// Model name that clients ask for.
    pub(crate) model: Option<String>,
    /// Environment of the registry's row.
    pub(crate) environment: Option<String>,
    /// How the model is taken out of traffic.
    pub(crate) registry: Registry,
    /// The router that clients use.
    pub(crate) router: Router,
    /// Checks beside the built-in ones, and parameters of all.
    pub(crate) checks: Checks,
    /// Deadlines.
    pub(crate) timeouts: Timeouts,
}

/// `registry:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Registry {
    /// Which driver, or several in order.
    #[serde(deserialize_with = "drivers")]
    pub(crate) driver: Vec<Driver>,
    /// The runbook's table.
    pub(crate) postgres: Postgres,
    /// The routers' cache.
    pub(crate) redis: Redis,
    /// The site's own tool.
    pub(crate) exec: Exec,
    /// Routes beside those of the release's namespace.
    #[serde(deserialize_with = "routes")]
    pub(crate) routes: Vec<RouteName>,
}

/// `registry.postgres:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Postgres {
    /// Variable that holds the connection string.
    #[serde(deserialize_with = "variable")]
    pub(crate) dsn_env: Option<String>,
    /// File that holds it.
    pub(crate) dsn_file: Option<PathBuf>,
    /// Table, the runbook's by default.
    pub(crate) table: Option<String>,
    /// Its columns, where they have other names than the runbook's.
    pub(crate) columns: Columns,
    /// Its words for in and out of traffic, where they are others than the runbook's.
    pub(crate) statuses: StatusNames,
    dsn: Refused,
    url: Refused,
    password: Refused,
}

/// `registry.redis:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Redis {
    /// Variable that holds the URL.
    #[serde(deserialize_with = "variable")]
    pub(crate) url_env: Option<String>,
    /// File that holds it.
    pub(crate) url_file: Option<PathBuf>,
    /// Delete the entry, or wait until it expires.
    pub(crate) mode: Option<RedisMode>,
    url: Refused,
    password: Refused,
}

/// `registry.exec:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exec {
    /// Prints the registry's entries as JSON.
    #[serde(deserialize_with = "command")]
    pub(crate) read: Option<Template>,
    /// Takes the model out of traffic.
    #[serde(deserialize_with = "command")]
    pub(crate) disable: Option<Template>,
    /// Puts it into traffic.
    #[serde(deserialize_with = "command")]
    pub(crate) enable: Option<Template>,
    /// Sets another status.
    #[serde(deserialize_with = "command")]
    pub(crate) restore: Option<Template>,
    /// Variables that the commands get.
    #[serde(deserialize_with = "variables")]
    pub(crate) env: Vec<String>,
    /// How long a command may take.
    #[serde(deserialize_with = "time")]
    pub(crate) timeout: Option<Duration>,
    /// How long routers may go on as before.
    #[serde(deserialize_with = "time_or_none")]
    pub(crate) visible_after: Option<Duration>,
}

/// `router:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Router {
    /// Its URL.
    #[serde(deserialize_with = "plain_url")]
    pub(crate) url: Option<String>,
    /// Its replicas, where they can be asked one by one.
    #[serde(deserialize_with = "plain_urls")]
    pub(crate) replicas: Vec<String>,
    /// Its Service, where the replicas are the pods behind it.
    #[serde(deserialize_with = "service")]
    pub(crate) service: Option<RouterService>,
    /// Variable that holds its API key.
    #[serde(deserialize_with = "variable")]
    pub(crate) key_env: Option<String>,
    /// File that holds it.
    pub(crate) key_file: Option<PathBuf>,
    key: Refused,
    api_key: Refused,
}

/// `checks:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Checks {
    /// Checks of one's own.
    pub(crate) plugins: Vec<Plugin>,
    /// Parameters: check → key → value.
    pub(crate) params: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
}

/// An entry of `checks.plugins`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plugin {
    /// The component; relative to the configuration file.
    pub(crate) file: PathBuf,
    /// What it may reach.
    #[serde(default)]
    pub(crate) grants: Vec<String>,
    /// Its verdict decides.
    #[serde(default = "yes")]
    pub(crate) required: bool,
}

fn yes() -> bool {
    true
}

/// `timeouts:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Timeouts {
    /// For requests in flight.
    #[serde(deserialize_with = "time")]
    pub(crate) drain: Option<Duration>,
    /// For the pods to get ready; else the target's own probes decide.
    #[serde(deserialize_with = "time")]
    pub(crate) ready: Option<Duration>,
}

/// A key that would hold a secret: its presence is an error that names what to write instead.
#[derive(Debug, Clone, Default, PartialEq)]
struct Refused;

impl<'de> Deserialize<'de> for Refused {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(
            "secrets are not kept in this file: name an environment variable or a file instead (dsn_env, dsn_file, url_env, url_file, key_env, key_file)",
        ))
    }
}

fn variable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    variable_name(String::deserialize(deserializer)?).map(Some)
}

fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.into_iter().map(variable_name).collect()
}

fn variable_name<E: serde::de::Error>(name: String) -> Result<String, E> {
    if crate::args::traffic::is_variable_name(&name) {
        Ok(name)
    } else {
        Err(E::custom(
            "this key takes the name of an environment variable, not its value",
        ))
    }
}

fn command<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Template>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    Template::new(words).map(Some).map_err(serde::de::Error::custom)
}

fn plain_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(deserializer)?;
    crate::args::traffic::router_url(&url).map_err(serde::de::Error::custom)?;
    Ok(Some(url))
}

fn service<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RouterService>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

fn routes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RouteName>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let read = |name: &String| name.parse().map_err(serde::de::Error::custom);
    names.iter().map(read).collect()
}

/// One word, or a list of them.
fn drivers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Driver>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Named {
        One(Driver),
        Several(Vec<Driver>),
    }
    match Named::deserialize(deserializer) {
        Ok(Named::One(driver)) => Ok(vec![driver]),
        Ok(Named::Several(drivers)) => Ok(drivers),
        Err(_) => Err(serde::de::Error::custom(format!(
            "registry.driver is one of {}, or a list of them",
            words().join(", ")
        ))),
    }
}

fn words() -> Vec<String> {
    let words = Driver::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    words.map(|word| word.get_name().to_owned()).collect()
}

fn plain_urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let urls = Vec::<String>::deserialize(deserializer)?;
    for url in &urls {
        crate::args::traffic::router_url(url).map_err(serde::de::Error::custom)?;
    }
    Ok(urls)
}

fn time_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    duration::parse(&text).map(Some).map_err(serde::de::Error::custom)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    duration::parse_positive(&text)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

impl File {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Usage, with line, column and key; the file's text is never repeated, since it may hold a secret by mistake.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable = |why: String| {
            exit::usage(format!("cannot read the configuration {}", path.display()))
                .because(why)
                .next("name another one with --config FILE, or unset VLLM_ROLLBACK_CONFIG")
        };
        let size = std::fs::metadata(path)
            .map_err(|error| unreadable(error.to_string()))?
            .len();
        if size > MAX_BYTES {
            return Err(unreadable(format!("it has {size} bytes; at most {MAX_BYTES} are read")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let mut file = Self::parse(&text).map_err(|why| {
            exit::usage(format!("the configuration {} is wrong", path.display()))
                .because(why)
                .next("mend that line; docs/configuration.md lists every key")
        })?;
        file.anchor(path.parent().unwrap_or(Path::new("")));
        Ok(file)
    }

    /// Reads YAML; an empty document is an empty configuration.
    ///
    /// # Errors
    /// Place and reason, in one line.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // The text names the place itself. The snippet is left out, since it may show a secret.
        let line = |text: String| {
            let first = text.lines().next().unwrap_or_default();
            first.chars().filter(|c| !c.is_control()).take(MAX_COMPLAINT).collect()
        };
        serde_saphyr::from_str::<Option<Self>>(text)
            .map(Option::unwrap_or_default)
            .map_err(|error| line(error.without_snippet().to_string()))
    }

    /// Files are named relative to the configuration.
    fn anchor(&mut self, directory: &Path) {
        for plugin in &mut self.checks.plugins {
            plugin.file = directory.join(&plugin.file);
        }
        let exec = &mut self.registry.exec;
        for command in [&mut exec.read, &mut exec.disable, &mut exec.enable, &mut exec.restore] {
            *command = command.take().map(|command| command.anchored(directory));
        }
        for file in [
            &mut self.registry.postgres.dsn_file,
            &mut self.registry.redis.url_file,
            &mut self.router.key_file,
        ]
        .into_iter()
        .flatten()
        {
            *file = directory.join(&*file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_reads() {
        let file = File::parse(
            "model: llama-2-7b\n\
             environment: production\n\
             registry:\n  driver: postgres\n  exec: {read: [./tool, list], env: [DSN], visible_after: 0s}\n  postgres: {dsn_env: REGISTRY_DSN, table: model_registry}\n  redis: {url_env: REDIS, mode: wait}\n\
             router: {url: 'http://api-router:8080', key_env: ROUTER_KEY}\n\
             checks:\n  plugins:\n  - file: mine.wasm\n    grants: [pod]\n  params: {completion: {max_tokens: 5}}\n\
             timeouts: {drain: 45s, ready: 20m}\n",
        )
        .unwrap();
        assert_eq!(file.registry.driver, [Driver::Postgres]);
        assert_eq!(file.registry.redis.mode, Some(RedisMode::Wait));
        assert!(file.checks.plugins[0].required);
        assert_eq!(file.checks.params["completion"]["max_tokens"], serde_json::json!(5));
        assert_eq!(file.timeouts.ready, Some(Duration::from_secs(1200)));
        let exec = &file.registry.exec;
        assert_eq!(exec.read.as_ref().map(Template::program), Some("./tool"));
        assert_eq!((exec.env.len(), exec.visible_after), (1, Some(Duration::ZERO)));
    }

    #[test]
    fn an_empty_file_configures_nothing() {
        assert_eq!(File::parse("").unwrap(), File::default());
        assert_eq!(File::parse("# only a comment\n").unwrap(), File::default());
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let why = File::parse("model: x\nregisty:\n  driver: none\n").unwrap_err();
        assert!(why.contains("line 2") && why.contains("registy"), "{why}");
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_repeated() {
        for text in [
            "registry:\n  postgres:\n    dsn: postgres://u:hunter2@db/r\n",
            "registry:\n  postgres:\n    dsn_env: postgres://u:hunter2@db/r\n",
            "registry:\n  redis:\n    url: redis://:hunter2@r\n",
            "router:\n  key: hunter2\n",
            "router:\n  url: http://u:hunter2@router\n",
        ] {
            let why = File::parse(text).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
            assert!(why.contains("line "), "{why}");
        }
    }

    #[test]
    fn wrong_values_and_broken_yaml_are_told_with_their_place() {
        for text in [
            "registry:\n  driver: mysql\n",
            "timeouts: {ready: 10}\n",
            "registry: {routes: ['a/b/c/d']}\n",
            "registry: {exec: {read: []}}\n",
            "registry: {exec: {read: [tool, '{modle}']}}\n",
            "registry: {exec: {env: ['A=b']}}\n",
            "router: {replicas: ['api-router:8080']}\n",
            "model: [\n",
            "- a\n",
        ] {
            let why = File::parse(text).unwrap_err();
            assert!(why.contains("line "), "{text}: {why}");
        }
    }
}
