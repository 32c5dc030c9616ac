//! Commands with placeholders.

use std::fmt;

use serde::Deserialize;
use vllm_rollback_engine::failure::Failure;

/// Values that placeholders stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// `{model}`: its name in the registry.
    pub model: String,
    /// `{environment}`: of the registry's entry.
    pub environment: Option<String>,
    /// `{release}`: the Helm release.
    pub release: String,
    /// `{namespace}`: of the release.
    pub namespace: String,
}

/// `llama in production`, for messages.
impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.environment {
            Some(environment) => write!(f, "{} in {environment}", self.model),
            None => f.write_str(&self.model),
        }
    }
}

/// A program and its arguments, in which `{model}`, `{environment}`, `{release}`, `{namespace}` and `{status}` stand for
/// values. No shell reads it, so nothing needs quoting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Template {
    program: String,
    arguments: Vec<String>,
}

impl TryFrom<Vec<String>> for Template {
    type Error = Failure;

    fn try_from(words: Vec<String>) -> Result<Self, Failure> {
        Self::new(words)
    }
}

impl Template {
    /// From the words of a configuration.
    ///
    /// # Errors
    /// `Usage` for an empty list, an unknown placeholder, or one that is the program.
    ///
    /// ```
    /// # use vllm_rollback_registry::drivers::exec::Template;
    /// assert!(Template::new(["admin-cli", "disable", "--model-name={model}"]).is_ok());
    /// assert!(Template::new(["admin-cli", "{modle}"]).is_err());
    /// ```
    pub fn new<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Result<Self, Failure> {
        let mut words = words.into_iter().map(Into::into);
        let program: String = words.next().filter(|word| !word.is_empty()).ok_or_else(|| {
            Failure::usage("a command of the registry is empty")
                .next("write it as a list: [admin-cli, registry, list, --format, json]")
        })?;
        let template = Self {
            program,
            arguments: words.collect(),
        };
        let any = Values {
            model: "m".to_owned(),
            environment: Some("e".to_owned()),
            release: "r".to_owned(),
            namespace: "n".to_owned(),
        };
        if template.program.contains(['{', '}']) {
            return Err(
                Failure::usage(format!("\"{}\" is not the name of a program", template.program))
                    .next("placeholders are allowed in arguments only"),
            );
        }
        template.fill(&any, Some("s"))?;
        Ok(template)
    }

    /// The program.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// As [`Self::new`], with a program that is named by a relative path taken from this directory.
    #[must_use]
    pub fn anchored(mut self, directory: &std::path::Path) -> Self {
        if self.program.contains('/') {
            let path = directory.join(&self.program);
            let path = std::path::absolute(&path).unwrap_or(path);
            self.program = path.to_string_lossy().into_owned();
        }
        self
    }

    /// The command itself.
    ///
    /// # Errors
    /// `Usage` when a placeholder stands for nothing, or for something that the program would take for a flag.
    pub(super) fn fill(&self, values: &Values, status: Option<&str>) -> Result<Vec<String>, Failure> {
        let mut argv = vec![self.program.clone()];
        for argument in &self.arguments {
            let filled = fill(argument, values, status)?;
            if filled.starts_with('-') && !argument.starts_with('-') {
                return Err(Failure::usage(format!(
                    "\"{filled}\" for {argument} would be a flag of {}",
                    self.program
                ))
                .next("write the flag and its value as one argument: --model-name={model}"));
            }
            argv.push(filled);
        }
        Ok(argv)
    }
}

fn fill(argument: &str, values: &Values, status: Option<&str>) -> Result<String, Failure> {
    let mut filled = String::new();
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| unknown(argument))?;
        let value = match name {
            "model" => Some(values.model.as_str()),
            "environment" => values.environment.as_deref(),
            "release" => Some(values.release.as_str()),
            "namespace" => Some(values.namespace.as_str()),
            "status" => status,
            _ => return Err(unknown(argument)),
        };
        let value = value.filter(|value| !value.is_empty()).ok_or_else(|| {
            Failure::usage(format!(
                "a command of the registry needs the {name}, which is not known"
            ))
            .next(match name {
                "status" => "only registry.exec.restore can use {status}".to_owned(),
                name => format!("--{name} NAME"),
            })
        })?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    if rest.contains('}') {
        return Err(unknown(argument));
    }
    filled.push_str(rest);
    Ok(filled)
}

fn unknown(argument: &str) -> Failure {
    Failure::usage(format!(
        "the argument \"{argument}\" of a registry command has an unknown placeholder"
    ))
    .next("placeholders are {model}, {environment}, {release}, {namespace} and {status}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(model: &str) -> Values {
        Values {
            model: model.into(),
            environment: Some("production".into()),
            release: "llama".into(),
            namespace: "ml".into(),
        }
    }

    #[test]
    fn placeholders_are_filled_wherever_they_stand() {
        let template = Template::new(["tool", "--name={model}", "{namespace}/{release}", "plain"]).unwrap();
        let argv = template.fill(&values("a b; rm"), None).unwrap();
        assert_eq!(argv, ["tool", "--name=a b; rm", "ml/llama", "plain"]);
    }

    #[test]
    fn a_value_is_not_filled_again() {
        let template = Template::new(["tool", "{model}"]).unwrap();
        assert_eq!(template.fill(&values("x{status}"), None).unwrap()[1], "x{status}");
    }

    #[test]
    fn a_value_cannot_become_a_flag() {
        let template = Template::new(["tool", "{model}"]).unwrap();
        assert!(template.fill(&values("--force"), None).is_err());
        let joined = Template::new(["tool", "--model={model}"]).unwrap();
        assert_eq!(joined.fill(&values("--force"), None).unwrap()[1], "--model=--force");
    }

    #[test]
    fn what_stands_for_nothing_is_told_with_the_flag_that_gives_it() {
        let template = Template::new(["tool", "{environment}"]).unwrap();
        let failure = template
            .fill(
                &Values {
                    environment: None,
                    ..values("m")
                },
                None,
            )
            .unwrap_err();
        assert_eq!(failure.next, ["--environment NAME"]);
        assert!(
            Template::new(["tool", "{status}"])
                .unwrap()
                .fill(&values("m"), None)
                .is_err()
        );
    }

    #[test]
    fn malformed_commands_are_refused() {
        for words in [
            &["tool", "{modle}"][..],
            &["tool", "{model"],
            &["tool", "model}"],
            &["{model}"],
            &[""],
            &[],
        ] {
            assert!(Template::new(words.iter().copied()).is_err(), "{words:?}");
        }
    }
}
