//! `target/demo/result.json`: what was observed, for programs.

use std::path::PathBuf;

use serde_json::json;
use vllm_rollback_engine::report::RunReport;
use vllm_rollback_harness::client::Answer;
use vllm_rollback_harness::paths;

/// Writes it.
pub(crate) fn write(report: &RunReport, before: &Answer, fenced: &Answer, after: &Answer) -> PathBuf {
    let states: Vec<_> = report
        .states
        .iter()
        .map(|state| json!({"name": state.name, "seconds": state.seconds}))
        .collect();
    let checks: Vec<_> = report
        .checks
        .iter()
        .map(|check| json!({"name": check.check, "phase": check.phase, "verdict": check.outcome}))
        .collect();
    let result = json!({
        "outcome": report.outcome,
        "from_revision": report.from_revision,
        "to_revision": report.to_revision,
        "exit_code": report.exit_code,
        "states": states,
        "checks": checks,
        "answers": {"before": before, "fenced": fenced, "after": after},
    });
    let path = paths::target().join("demo/result.json");
    std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("the target directory is writable");
    std::fs::write(&path, serde_json::to_vec_pretty(&result).expect("plain data"))
        .expect("the target directory is writable");
    path
}
