//! Describes itself by a name with line breaks, escape codes and a path, a schema that is no JSON and no time to run.

use vllm_rollback_plugin::Context;
use vllm_rollback_plugin::bindings::exports::vllm_rollback::plugin::check::Guest;
use vllm_rollback_plugin::contract::{Manifest, Verdict};

struct Plugin;

impl Guest for Plugin {
    fn describe() -> Manifest {
        Manifest {
            version: "not a version".to_owned(),
            parameters_schema: "{".to_owned(),
            default_timeout_ms: 0,
            needs: vec!["pod".to_owned(); 1_000],
            ..hostile::manifest("../bad\n\u{1b}[31mmanifest", &"long ".repeat(100_000)).into()
        }
    }

    fn validate(_context: Context) -> Verdict {
        vllm_rollback_plugin::Verdict::pass("ran although its manifest is nonsense").into()
    }
}

vllm_rollback_plugin::export_guest!(Plugin);
