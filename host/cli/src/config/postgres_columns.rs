//! `registry.postgres.columns` and `.statuses`: what a site's table calls what the runbook's has, too.

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_registry::Statuses;
use vllm_rollback_registry::postgres::{self, Column};

/// Says that the table has no such column. An empty value is not taken for that: a template that was given nothing leaves
/// one behind.
const ABSENT: &str = "false";

/// Columns by the runbook's names for them; a key that is left out keeps the runbook's.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Columns {
    #[serde(deserialize_with = "needed")]
    model_name: Option<Column>,
    #[serde(deserialize_with = "needed")]
    deployment_endpoint: Option<Column>,
    #[serde(deserialize_with = "needed")]
    deployment_status: Option<Column>,
    #[serde(deserialize_with = "optional")]
    deployment_environment: Option<Option<Column>>,
    #[serde(deserialize_with = "optional")]
    deployment_namespace: Option<Option<Column>>,
    #[serde(deserialize_with = "optional")]
    updated_at: Option<Option<Column>>,
}

impl Columns {
    /// Over the runbook's.
    pub(crate) fn merged(&self) -> postgres::Columns {
        let runbook = postgres::Columns::default();
        let this = self.clone();
        postgres::Columns {
            model_name: this.model_name.unwrap_or(runbook.model_name),
            deployment_endpoint: this.deployment_endpoint.unwrap_or(runbook.deployment_endpoint),
            deployment_status: this.deployment_status.unwrap_or(runbook.deployment_status),
            deployment_environment: this.deployment_environment.unwrap_or(runbook.deployment_environment),
            deployment_namespace: this.deployment_namespace.unwrap_or(runbook.deployment_namespace),
            updated_at: this.updated_at.unwrap_or(runbook.updated_at),
        }
    }
}

/// The table's words for a model that is in traffic, and for one that was taken out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StatusNames {
    #[serde(deserialize_with = "word")]
    ready: Option<String>,
    #[serde(deserialize_with = "word")]
    disabled: Option<String>,
}

impl StatusNames {
    /// Over the runbook's.
    ///
    /// # Errors
    /// Usage, when one is empty or both are the same.
    pub(crate) fn merged(&self) -> Result<Statuses, Failure> {
        let runbook = Statuses::default();
        Statuses::new(
            self.ready.as_deref().unwrap_or(runbook.ready()),
            self.disabled.as_deref().unwrap_or(runbook.disabled()),
        )
    }
}

fn needed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Column>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == ABSENT {
        return Err(D::Error::custom("the registry cannot do without this column"));
    }
    text.parse().map(Some).map_err(D::Error::custom)
}

fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Column>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == ABSENT {
        return Ok(Some(None));
    }
    text.parse().map(|column| Some(Some(column))).map_err(D::Error::custom)
}

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::File;

    fn columns(text: &str) -> Result<postgres::Columns, String> {
        let file = File::parse(&format!("registry:\n  postgres:\n    columns: {text}\n"))?;
        Ok(file.registry.postgres.columns.merged())
    }

    fn words(text: &str) -> Result<Statuses, String> {
        let file = File::parse(&format!("registry:\n  postgres:\n    statuses: {text}\n"))?;
        file.registry
            .postgres
            .statuses
            .merged()
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_is_not_named_is_as_in_the_runbook_and_false_means_that_there_is_none() {
        let runbook = postgres::Columns::default();
        assert_eq!(columns("{}").unwrap(), runbook);
        let site = columns("{model_name: name, deployment_environment: false, updated_at: false}").unwrap();
        let expected = postgres::Columns {
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
}
