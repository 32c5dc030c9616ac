//! Entries of the registry, as the site's tool prints them.

use serde::Deserialize;
use serde_json::Value;
use vllm_rollback_engine::failure::Failure;

use super::template::Values;

/// An entry of the registry. Keys that are not known here are the site's own business.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Entry {
    /// The model's name.
    pub(super) model_name: String,
    /// `host:port`.
    #[serde(default)]
    pub(super) endpoint: Option<String>,
    /// `ready`, `disabled`, or a word of the site.
    #[serde(default)]
    pub(super) status: Option<String>,
    /// Environment; an entry without one is valid in all.
    #[serde(default)]
    pub(super) environment: Option<String>,
    /// Namespace of the endpoint.
    #[serde(default)]
    pub(super) namespace: Option<String>,
}

impl Entry {
    pub(super) fn as_str(&self) -> &str {
        self.status.as_deref().unwrap_or("(none)")
    }
}

/// The entry of the model, out of an envelope `{"success": true, "data": […]}` or a bare list.
pub(super) fn find(printed: &str, values: &Values) -> Result<Entry, Failure> {
    let mut found: Vec<Entry> = entries(printed)?
        .into_iter()
        .filter(|entry| entry.model_name == values.model)
        .filter(|entry| match (&values.environment, &entry.environment) {
            (Some(wanted), Some(has)) if !has.is_empty() => has == wanted,
            _ => true,
        })
        .map(|entry| Entry {
            endpoint: entry.endpoint.filter(|text| !text.is_empty()),
            status: entry.status.filter(|text| !text.is_empty()),
            namespace: entry.namespace.filter(|text| !text.is_empty()),
            ..entry
        })
        .collect();
    let number = found.len();
    match found.pop() {
        Some(entry) if number == 1 => Ok(entry),
        Some(_) => Err(
            Failure::refused(format!("the registry has {number} entries of {values}"))
                .next("say which one: --environment NAME"),
        ),
        None => Err(Failure::not_found(format!("the registry has no entry of {values}"))
            .next("check --model and --environment")),
    }
}

fn entries(printed: &str) -> Result<Vec<Entry>, Failure> {
    // The runbook's tool prints nothing at all when it finds nothing.
    if printed.trim().is_empty() {
        return Ok(Vec::new());
    }
    let malformed = |error: &dyn std::error::Error| {
        Failure::invalid("the registry's tool printed something other than its entries")
            .because(error.to_string())
            .next("let it print JSON on stdout and everything else on stderr; docs/drivers.md has the shape")
    };
    let parsed: Value = serde_json::from_str(printed).map_err(|error| malformed(&error))?;
    if parsed["success"] == false {
        return Err(Failure::external("the registry's tool reports that it failed"));
    }
    let list = if parsed.is_object() {
        parsed["data"].clone()
    } else {
        parsed
    };
    serde_json::from_value::<Option<Vec<Entry>>>(list)
        .map(Option::unwrap_or_default)
        .map_err(|error| malformed(&error))
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;

    fn values(environment: Option<&str>) -> Values {
        Values {
            model: "llama".into(),
            environment: environment.map(str::to_owned),
            ..Values::default()
        }
    }

    const ENTRIES: &str = r#"[{"model_name": "llama", "status": "ready", "environment": "production", "endpoint": "a:1", "id": 7},
        {"model_name": "llama", "status": "disabled", "environment": "staging", "endpoint": ""},
        {"model_name": "other", "status": "ready", "environment": "production"}]"#;

    #[test]
    fn an_entry_is_found_by_model_and_environment_in_both_shapes() {
        let envelope = format!(r#"{{"success": true, "timestamp": "x", "data": {ENTRIES}}}"#);
        for printed in [ENTRIES, &envelope] {
            let entry = find(printed, &values(Some("production"))).unwrap();
            assert_eq!((entry.as_str(), entry.endpoint.as_deref()), ("ready", Some("a:1")));
            let entry = find(printed, &values(Some("staging"))).unwrap();
            assert_eq!((entry.as_str(), entry.endpoint.as_deref()), ("disabled", None));
        }
    }

    #[test]
    fn none_and_several_are_failures() {
        let kind = |printed, environment| find(printed, &values(environment)).unwrap_err().kind;
        assert_eq!(kind(ENTRIES, None), FailureKind::Refused);
        for nothing in ["", " \n", "[]", r#"{"success": true, "data": null}"#] {
            assert_eq!(kind(nothing, None), FailureKind::NotFound, "{nothing}");
        }
    }

    #[test]
    fn other_output_is_not_taken_for_an_answer() {
        for printed in [
            "Found 1 model",
            "{\"success\": false}",
            "[1]",
            "[{\"status\": \"ready\"}]",
            "\"ready\"",
        ] {
            let failure = find(printed, &values(None)).unwrap_err();
            assert_ne!(failure.kind, FailureKind::NotFound, "{printed}");
        }
    }
}
