//! Passes with 64 MB of evidence, a summary of many lines and escape codes, and numbers that are none.

use vllm_rollback_plugin::bindings::exports::vllm_rollback::plugin::check::Guest;
use vllm_rollback_plugin::contract::{Manifest, Verdict};
use vllm_rollback_plugin::{Context, Measurement};

struct Plugin;

impl Guest for Plugin {
    fn describe() -> Manifest {
        hostile::manifest("huge-verdict", "Passes with 64 MB of evidence").into()
    }

    // Not by the kit, which keeps a verdict short.
    fn validate(_context: Context) -> Verdict {
        let measurement = |value| Measurement::new("\u{1b}[31mred\u{1b}[0m", value, "\n");
        Verdict {
            outcome: "pass".to_owned(),
            summary: "fine\n\u{1b}[2J✓ every check passed\r".repeat(1_000),
            measurements: [f64::NAN, f64::INFINITY, -0.0].into_iter().map(measurement).collect(),
            evidence: vec!["e\u{7}".repeat(500_000); 64],
            extra: vec![("e".repeat(500_000), String::new())],
        }
    }
}

vllm_rollback_plugin::export_guest!(Plugin);
