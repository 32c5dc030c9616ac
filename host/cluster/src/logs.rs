//! The last lines of a container's log, bounded.

use vllm_rollback_objects::redaction;

use crate::api::{ApiError, Resource, with_query};
use crate::connect::Cluster;

/// Most bytes of one log that are read.
const LIMIT: &str = "65536";

/// The last lines of a container's current or previous run.
pub(crate) async fn tail(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    container: &str,
    previous: bool,
    lines: u32,
) -> Result<String, ApiError> {
    let lines = lines.min(500).to_string();
    let path = format!("{}/log", Resource::core("pods").object(namespace, pod));
    let previous = if previous { "true" } else { "false" };
    let query = [
        ("container", container),
        ("previous", previous),
        ("tailLines", &lines),
        ("limitBytes", LIMIT),
    ];
    cluster.api().text(&with_query(&path, &query)).await
}

/// The last lines that say something, for an error's evidence; without secrets.
pub(crate) fn last_lines(log: &str, count: usize) -> Vec<String> {
    let log = redaction::text(log);
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    lines[lines.len().saturating_sub(count)..]
        .iter()
        .map(|line| line.chars().take(400).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_do_not_count_as_last_lines() {
        assert_eq!(last_lines("a\nb\n\nc\n\n", 2), ["b", "c"]);
        assert!(last_lines("\n", 3).is_empty());
    }
}
