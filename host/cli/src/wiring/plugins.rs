//! The checks of a run: the built-in ones, and those that the operator adds.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_plugins::{BUILTINS, CHILD_ARGUMENT, Enforcement, GrantTable, HostOptions, PluginHost};
use vllm_rollback_settings::Env;

use crate::config::file::{Params, Plugin};
use crate::config::settings::Settings;

/// First argument that loads the built-in checks and prints the milliseconds it took, for benchmarks.
const LOAD_CHECKS: &str = "__load-checks";

/// Verbs that this program types to itself, before anything else is read. None for all others.
pub(crate) fn hidden_verb(args: &[OsString]) -> Option<ExitCode> {
    let is_typed = args.first()? == CHILD_ARGUMENT;
    is_typed.then(vllm_rollback_plugins::run_compile_child)
}

/// The benchmark's verb was typed.
pub(crate) fn is_load_checks(args: &[OsString]) -> bool {
    args.first().is_some_and(|first| first == LOAD_CHECKS)
}

/// Loads the built-in checks. Milliseconds for load and describe.
///
/// # Errors
/// When they cannot be loaded.
pub(crate) async fn load_checks(env: &Env) -> Result<f64, Failure> {
    let mut host = PluginHost::new(HostOptions::new(cache(env))?)?;
    for name in BUILTINS {
        host.add_builtin(name, Enforcement::Required, Value::Null)?;
    }
    let loading = host.load().await?;
    Ok((loading.load + loading.describe).as_secs_f64() * 1000.0)
}

/// Directory for compiled checks; the plugin host makes it private, and does without it when it cannot be used.
fn cache(env: &Env) -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    env.xdg("XDG_CACHE_HOME", ".cache")
        .unwrap_or_else(|| std::env::temp_dir().join(format!("vllm-rollback-cache-{user}")))
        .join("vllm-rollback")
}

/// The checks of a run.
///
/// # Errors
/// Usage or Refused: a file that is no plugin, a grant or parameter for no check.
pub(crate) async fn host(settings: &Settings, env: &Env) -> Result<PluginHost, Failure> {
    let names = own_names(&settings.plugins, env).await?;
    known_parameters(&settings.params, &names)?;
    let mut options = HostOptions::new(cache(env))?;
    options.grants = GrantTable::parse(grants(settings, &names))?;
    let mut host = PluginHost::new(options)?;
    for name in BUILTINS {
        host.add_builtin(name, Enforcement::Required, parameters(&settings.params, name))?;
    }
    for (plugin, name) in settings.plugins.iter().zip(&names) {
        let enforcement = if plugin.required {
            Enforcement::Required
        } else {
            Enforcement::Advisory
        };
        host.add_file(&plugin.file, enforcement, parameters(&settings.params, name))?;
    }
    Ok(host)
}

/// The names that the operator's plugins give themselves: grants and parameters go by name.
async fn own_names(plugins: &[Plugin], env: &Env) -> Result<Vec<String>, Failure> {
    if plugins.is_empty() {
        return Ok(Vec::new());
    }
    let inspector = PluginHost::new(HostOptions::new(cache(env))?)?;
    let mut names = Vec::new();
    for plugin in plugins {
        names.push(inspector.inspect(&plugin.file).await?.manifest.name);
    }
    Ok(names)
}

/// Grants of the command line, and those that the configuration gives a file, as `NAME=CAPABILITY`.
fn grants(settings: &Settings, names: &[String]) -> Vec<String> {
    let of_file = settings
        .plugins
        .iter()
        .zip(names)
        .flat_map(|(plugin, name)| plugin.grants.iter().map(move |grant| format!("{name}={grant}")));
    of_file.chain(settings.grants.iter().cloned()).collect()
}

fn known_parameters(params: &Params, names: &[String]) -> Result<(), Failure> {
    let is_known = |check: &str| BUILTINS.contains(&check) || names.iter().any(|name| name == check);
    match params.keys().find(|check| !is_known(check)) {
        None => Ok(()),
        Some(unknown_check) => {
            let known: Vec<&str> = BUILTINS.into_iter().chain(names.iter().map(String::as_str)).collect();
            Err(Failure::usage(format!(
                "parameters are given for \"{unknown_check}\", which is not a check of this run"
            ))
            .next(format!("the checks are: {}", known.join(", "))))
        }
    }
}

fn parameters(params: &Params, check: &str) -> Value {
    params.get(check).cloned().map_or(Value::Null, Value::Object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(check: &str) -> Params {
        let of_check = [("key".to_owned(), Value::from(5))];
        Params::from([(check.to_owned(), of_check.into_iter().collect())])
    }

    #[test]
    fn parameters_for_no_check_of_the_run_are_a_usage_error_that_lists_the_checks() {
        let failure = known_parameters(&params("complete"), &["mine".to_owned()]).unwrap_err();
        assert!(
            failure.next[0].contains("completion") && failure.next[0].contains("mine"),
            "{failure:?}"
        );
        assert!(known_parameters(&params("mine"), &["mine".to_owned()]).is_ok());
    }

    #[test]
    fn a_check_gets_its_own_parameters_and_no_others() {
        assert_eq!(
            parameters(&params("completion"), "completion"),
            serde_json::json!({"key": 5})
        );
        assert_eq!(parameters(&params("completion"), "pod-health"), Value::Null);
    }
}
