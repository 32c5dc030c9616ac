//! The configuration file. Unknown keys are errors; secrets are named, never held.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_registry::DriverKeys;
use vllm_rollback_settings::keys::{self, NoSecret};

use crate::args::traffic::RouterService;

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
    /// The registry drivers.
    pub(crate) registry: DriverKeys,
    /// The router that clients use.
    pub(crate) router: Router,
    /// Checks beside the built-in ones, and parameters of all.
    pub(crate) checks: Checks,
    /// Deadlines.
    pub(crate) timeouts: Timeouts,
}

/// `router:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Router {
    /// The URL that clients use.
    #[serde(deserialize_with = "plain_url")]
    pub(crate) url: Option<String>,
    /// URLs of its replicas, where they can be asked one by one.
    #[serde(deserialize_with = "plain_urls")]
    pub(crate) replicas: Vec<String>,
    /// The Service, where the replicas are the pods behind it.
    #[serde(deserialize_with = "keys::parsed_some")]
    pub(crate) service: Option<RouterService>,
    /// Variable that holds its API key.
    #[serde(deserialize_with = "keys::variable")]
    pub(crate) key_env: Option<String>,
    /// File that holds it.
    pub(crate) key_file: Option<PathBuf>,
    key: NoSecret,
    api_key: NoSecret,
}

/// `checks:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Checks {
    /// Checks of one's own.
    pub(crate) plugins: Vec<Plugin>,
    /// Parameters: check → key → value.
    pub(crate) params: Params,
}

/// Parameters of checks: check → key → value.
pub(crate) type Params = BTreeMap<String, serde_json::Map<String, serde_json::Value>>;

/// An entry of `checks.plugins`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plugin {
    /// The component; relative to the configuration file.
    pub(crate) file: PathBuf,
    /// Capabilities that it gets.
    #[serde(default)]
    pub(crate) grants: Vec<String>,
    /// The run ends unless it passes.
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
    #[serde(deserialize_with = "keys::positive_duration")]
    pub(crate) drain: Option<Duration>,
    /// For the pods to get ready; else the target's own probes decide.
    #[serde(deserialize_with = "keys::positive_duration")]
    pub(crate) ready: Option<Duration>,
}

fn plain_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(deserializer)?;
    crate::args::traffic::router_url(&url).map_err(serde::de::Error::custom)?;
    Ok(Some(url))
}

fn plain_urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let urls = Vec::<String>::deserialize(deserializer)?;
    for url in &urls {
        crate::args::traffic::router_url(url).map_err(serde::de::Error::custom)?;
    }
    Ok(urls)
}

impl File {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Usage, with line, column and key; the file's text is never repeated, since it may hold a secret by mistake.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable = |why: String| {
            Failure::usage(format!("cannot read the configuration {}", path.display()))
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
            Failure::usage(format!("the configuration {} is wrong", path.display()))
                .because(why)
                .next("correct that line; docs/configuration.md lists every key")
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
        self.registry.anchor(directory);
        self.router.key_file = self.router.key_file.take().map(|file| directory.join(file));
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_registry::drivers::exec::Template;
    use vllm_rollback_registry::drivers::postgres::{Columns, RedisMode};
    use vllm_rollback_registry::{DriverName, Statuses};

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
        assert_eq!(file.registry.driver, [DriverName::Postgres]);
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

    fn columns(text: &str) -> Result<Columns, String> {
        let file = File::parse(&format!("registry:\n  postgres:\n    columns: {text}\n"))?;
        Ok(file.registry.postgres.columns)
    }

    fn words(text: &str) -> Result<Statuses, String> {
        let file = File::parse(&format!("registry:\n  postgres:\n    statuses: {text}\n"))?;
        Ok(file.registry.postgres.statuses)
    }

    #[test]
    fn what_is_not_named_is_as_in_the_runbook_and_false_means_that_there_is_none() {
        let runbook = Columns::default();
        assert_eq!(columns("{}").unwrap(), runbook);
        let site = columns("{model_name: name, deployment_environment: false, updated_at: false}").unwrap();
        let expected = Columns {
            model_name: "name".parse().unwrap(),
            deployment_environment: None,
            updated_at: None,
            ..runbook
        };
        assert_eq!(site, expected);
    }

    #[test]
    fn what_names_no_column_is_told_with_its_line() {
        for text in [
            "{deployment_status: false}",
            "{updated_at: }",
            "{updated_at: null}",
            "{updated_at: ''}",
            "{model_name: 'a; drop table b'}",
            "{status: state}",
            "[name]",
        ] {
            let why = columns(text).unwrap_err();
            assert!(why.contains("line "), "{text}: {why}");
        }
    }

    #[test]
    fn words_of_a_boolean_column_need_no_quotes() {
        let expected = |ready, disabled| Statuses::new(ready, disabled).unwrap();
        assert_eq!(
            words("{ready: true, disabled: false}").unwrap(),
            expected("true", "false")
        );
        assert_eq!(words("{ready: active}").unwrap(), expected("active", "disabled"));
        for wrong in ["{ready: disabled}", "{ready: ''}", "{disabled: }", "{failed: broken}"] {
            assert!(words(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_table_that_is_no_name_is_told_with_its_line() {
        let why = File::parse("registry: {postgres: {table: 'a; drop table b'}}").unwrap_err();
        assert!(why.contains("line "), "{why}");
    }
}
