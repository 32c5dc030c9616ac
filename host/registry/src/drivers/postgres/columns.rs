//! The names of the registry's table and of its columns, which a site may have chosen itself.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use vllm_rollback_engine::failure::Failure;

/// The registry's table: `name` or `schema.name`, quoted when used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(String);

/// A column: its name as the table has it, quoted when used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column(String);

/// The columns that the driver uses, by the runbook's names for them. In the configuration a key that is left out keeps the
/// runbook's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// The model's name.
    #[serde(deserialize_with = "needed")]
    pub model_name: Column,
    /// `host:port`.
    #[serde(deserialize_with = "needed")]
    pub deployment_endpoint: Column,
    /// In traffic or not: of any type whose text is the word (text, an enum, boolean).
    #[serde(deserialize_with = "needed")]
    pub deployment_status: Column,
    /// The environment. Without it the model's name alone names a row.
    #[serde(deserialize_with = "optional")]
    pub deployment_environment: Option<Column>,
    /// Namespace of the endpoint. Without it the endpoint has to name its namespace, or none.
    #[serde(deserialize_with = "optional")]
    pub deployment_namespace: Option<Column>,
    /// The time of the last change. Without it nothing is stamped.
    #[serde(deserialize_with = "optional")]
    pub updated_at: Option<Column>,
}

/// Says that the table has no such column. An empty value is not taken for that: a template that was given nothing leaves one
/// behind.
const ABSENT: &str = "false";

fn needed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Column, D::Error> {
    optional(deserializer)?.ok_or_else(|| D::Error::custom("the registry requires this column"))
}

fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Column>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        ABSENT => Ok(None),
        name => name.parse().map(Some).map_err(D::Error::custom),
    }
}

impl Default for Table {
    /// The runbook's.
    fn default() -> Self {
        Self("\"model_registry_entries\"".to_owned())
    }
}

impl Default for Columns {
    /// The runbook's.
    fn default() -> Self {
        let column = |name: &str| Column(name.to_owned());
        Self {
            model_name: column("model_name"),
            deployment_endpoint: column("deployment_endpoint"),
            deployment_status: column("deployment_status"),
            deployment_environment: Some(column("deployment_environment")),
            deployment_namespace: Some(column("deployment_namespace")),
            updated_at: Some(column("updated_at")),
        }
    }
}

impl Columns {
    /// Each with the runbook's name for it, which is its key in the configuration.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, &Column)> {
        let needed = [
            ("model_name", &self.model_name),
            ("deployment_endpoint", &self.deployment_endpoint),
            ("deployment_status", &self.deployment_status),
        ];
        let optional = [
            ("deployment_environment", &self.deployment_environment),
            ("deployment_namespace", &self.deployment_namespace),
            ("updated_at", &self.updated_at),
        ];
        let optional = optional
            .into_iter()
            .filter_map(|(key, column)| Some((key, column.as_ref()?)));
        needed.into_iter().chain(optional)
    }

    /// The driver can do without.
    pub(super) fn is_optional(key: &str) -> bool {
        matches!(key, "deployment_environment" | "deployment_namespace" | "updated_at")
    }
}

impl Column {
    /// As the table has it.
    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

impl FromStr for Table {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let parts: Vec<&str> = text.split('.').collect();
        if parts.len() > 2 || !parts.iter().all(|part| is_name(part)) {
            return Err(Failure::usage(format!("{text:?} is not the name of a table"))
                .next("write NAME or SCHEMA.NAME: letters, digits, _"));
        }
        let quoted: Vec<String> = parts.iter().map(|part| format!("\"{part}\"")).collect();
        Ok(Self(quoted.join(".")))
    }
}

impl FromStr for Column {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        if is_name(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(Failure::usage(format!("{text:?} is not the name of a column"))
            .next("write its name as the table has it: letters, digits, _"))
    }
}

/// No more than this, so that a name is nothing else even in quotes.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Quoted, for SQL.
impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;

    #[test]
    fn names_are_quoted_and_hold_nothing_else() {
        assert_eq!(
            "ops.models_2".parse::<Table>().unwrap().to_string(),
            "\"ops\".\"models_2\""
        );
        assert_eq!("State".parse::<Column>().unwrap().to_string(), "\"State\"");
        for text in ["", "a.b.c", "a b", "a;drop", "a\"", "1a", "a.", "ä"] {
            assert_eq!(text.parse::<Table>().unwrap_err().kind, FailureKind::Usage, "{text}");
            assert_eq!(text.parse::<Column>().unwrap_err().kind, FailureKind::Usage, "{text}");
        }
        assert!("a.b".parse::<Column>().is_err());
    }
}
