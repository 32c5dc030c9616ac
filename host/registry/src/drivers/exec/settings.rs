//! Settings of the driver: keys of the configuration, and variables that the site's tool gets.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_settings::{Env, keys};

use super::command::ProcessEnv;
use super::template::{Template, Values};
use super::{Commands, ExecConfig, ExecRegistry};
use crate::context::{DriverContext, DriverSettings};

/// A command of the registry's tool gets this long where nothing else is said.
const COMMAND: Duration = Duration::from_secs(30);

/// Calls of the runbook's `admin-cli`, for where the site says nothing else.
const READ: &[&str] = &["admin-cli", "registry", "list", "--format=json"];
const DISABLE: &[&str] = &[
    "admin-cli",
    "registry",
    "disable",
    "--model-name={model}",
    "--environment={environment}",
];
const ENABLE: &[&str] = &[
    "admin-cli",
    "registry",
    "enable",
    "--model-name={model}",
    "--environment={environment}",
];

/// Variables that any program may expect.
const COMMON: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ"];

/// `registry.exec:`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Prints the registry's entries as JSON.
    pub read: Option<Template>,
    /// Takes the model out of traffic.
    pub disable: Option<Template>,
    /// Puts it into traffic.
    pub enable: Option<Template>,
    /// Sets another status.
    pub restore: Option<Template>,
    /// Variables that the commands get.
    #[serde(deserialize_with = "keys::variables")]
    pub env: Vec<String>,
    /// Longest time that a command may take.
    #[serde(deserialize_with = "keys::positive_duration")]
    pub timeout: Option<Duration>,
    /// Longest time that routers may use the old entry after a change.
    #[serde(deserialize_with = "keys::duration")]
    pub visible_after: Option<Duration>,
}

/// The driver's settings, with the variables' values.
#[derive(Debug)]
pub(crate) struct Settings {
    commands: Commands,
    surroundings: ProcessEnv,
    visible_after: Option<Duration>,
}

impl Keys {
    /// Takes relative paths of programs from this directory.
    pub(crate) fn anchor(&mut self, directory: &Path) {
        for command in [&mut self.read, &mut self.disable, &mut self.enable, &mut self.restore] {
            *command = command.take().map(|command| command.anchored(directory));
        }
    }
}

impl Settings {
    /// Keys over the runbook's.
    ///
    /// # Errors
    /// Usage, when a variable that the tool is to get is not set.
    pub(crate) fn new(keys: &Keys, env: &Env) -> Result<Self, Failure> {
        let command = |configured: &Option<Template>, default: &[&str]| match configured {
            Some(template) => Ok(template.clone()),
            None => Template::new(default.iter().copied()),
        };
        let common = COMMON
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), env.owned(name)?)));
        let mut variables: BTreeMap<String, String> = common.collect();
        for name in &keys.env {
            let value = env.owned(name).ok_or_else(|| {
                Failure::usage(format!("the registry's tool needs ${name}, which is not set"))
                    .next(format!("export {name}=…"))
            })?;
            variables.insert(name.clone(), value);
        }
        Ok(Self {
            commands: Commands {
                read: command(&keys.read, READ)?,
                disable: command(&keys.disable, DISABLE)?,
                enable: command(&keys.enable, ENABLE)?,
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
}

#[async_trait]
impl DriverSettings for Settings {
    async fn make(&self, session: &DriverContext) -> Result<Box<dyn Registry>, Failure> {
        Ok(Box::new(ExecRegistry::new(ExecConfig {
            commands: self.commands.clone(),
            values: Values {
                model: session.model().await?,
                environment: session.environment.clone(),
                release: session.release.name.clone(),
                namespace: session.release.namespace.clone(),
            },
            surroundings: self.surroundings.clone(),
            visible_after: self.visible_after,
            owner: session.endpoints.clone(),
            router: session.router.clone(),
        })?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_gets_what_is_listed_and_is_the_runbooks_where_nothing_is_said() {
        let keys = Keys {
            env: vec!["DSN".into()],
            disable: Some(Template::new(["mine", "off", "{model}"]).unwrap()),
            ..Keys::default()
        };
        let env = Env::from([("DSN", "secret"), ("PATH", "/bin"), ("OTHER", "x")]);
        let settings = Settings::new(&keys, &env).unwrap();
        let names: Vec<&str> = settings.surroundings.env.keys().map(String::as_str).collect();
        assert_eq!(names, ["DSN", "PATH"]);
        assert_eq!(settings.commands.read.program(), "admin-cli");
        assert_eq!(settings.commands.disable.program(), "mine");
        assert!(!format!("{settings:?}").contains("secret"));
        let failure = Settings::new(&keys, &Env::default()).unwrap_err();
        assert!(failure.to_string().contains("$DSN"), "{failure}");
    }
}
