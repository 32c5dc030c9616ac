//! Loading and instantiating the five built-in checks.

use std::process::Command;
use std::time::Duration;

use vllm_rollback_harness::{paths, process};

/// Milliseconds, as the binary itself measured them: `(warm, cold)`. Cold starts from an empty store of compiled checks.
pub(crate) fn load_times(runs: usize) -> (Vec<f64>, Vec<f64>) {
    let mut warm = Vec::new();
    let mut cold = Vec::new();
    for _ in 0..runs {
        let store = tempfile::tempdir().expect("a temporary directory");
        let once = || {
            let output = process::run(
                Command::new(paths::tool())
                    .arg("__load-checks")
                    .env("XDG_CACHE_HOME", store.path()),
                Duration::from_secs(120),
            );
            assert!(
                output.status.success(),
                "loading the checks failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8_lossy(&output.stdout)
                .trim()
                .parse::<f64>()
                .expect("milliseconds")
        };
        cold.push(once());
        warm.push(once());
    }
    (warm, cold)
}
