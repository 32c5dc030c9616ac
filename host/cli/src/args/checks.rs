//! Flags for checks of the user's own.

use std::path::PathBuf;

use clap::Args;
use vllm_rollback_engine::failure::Failure;

/// Checks beside the built-in ones.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Checks")]
pub(crate) struct ChecksArgs {
    /// A check of your own, a wasm component; may be repeated
    #[arg(long = "plugin", value_name = "FILE")]
    pub(crate) plugins: Vec<PathBuf>,
    /// Capability that a check may use: pod, router, cluster, registry, metrics or host:NAME=URL; may be repeated
    #[arg(long = "grant", value_name = "PLUGIN=CAPABILITY")]
    pub(crate) grants: Vec<String>,
    /// A parameter of a check; VALUE is JSON, or else text; may be repeated
    #[arg(long = "param", value_name = "CHECK.KEY=VALUE")]
    pub(crate) params: Vec<String>,
}

/// Reads a parameter: its check, key and value.
///
/// # Errors
/// Usage, when it is not `CHECK.KEY=VALUE`.
pub(crate) fn parameter(text: &str) -> Result<(String, String, serde_json::Value), Failure> {
    let wrong = || {
        Failure::usage(format!("\"{text}\" is not CHECK.KEY=VALUE"))
            .next("write it like --param completion.prompt=\"2+2=\" or --param completion.max_tokens=5")
    };
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let (check, key) = name.split_once('.').ok_or_else(wrong)?;
    if check.is_empty() || key.is_empty() {
        return Err(wrong());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((check.to_owned(), key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_json_where_it_can_be_and_text_otherwise() {
        let value = |text: &str| parameter(text).unwrap().2;
        assert_eq!(value("completion.max_tokens=5"), serde_json::json!(5));
        assert_eq!(value("completion.prompt=2+2="), serde_json::json!("2+2="));
        assert_eq!(value("completion.prompt="), serde_json::json!(""));
    }

    #[test]
    fn malformed_parameters_are_usage_errors_with_an_example() {
        for text in ["completion", "completion=5", ".key=5", "check.=5"] {
            assert!(!parameter(text).unwrap_err().next.is_empty(), "{text}");
        }
    }
}
