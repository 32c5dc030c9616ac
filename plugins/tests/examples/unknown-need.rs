//! Needs something that no tool has yet.

use vllm_rollback_plugin::Context;
use vllm_rollback_plugin::bindings::exports::vllm_rollback::plugin::check::Guest;
use vllm_rollback_plugin::contract::{Manifest, Verdict};

struct Plugin;

impl Guest for Plugin {
    fn describe() -> Manifest {
        Manifest {
            needs: vec!["pod".to_owned(), "tomorrow".to_owned()],
            extra: vec![("tool-version".to_owned(), "99.1.0".to_owned())],
            ..hostile::manifest("unknown-need", "Needs what no tool has yet").into()
        }
    }

    fn validate(_context: Context) -> Verdict {
        vllm_rollback_plugin::Verdict::pass("ran although a need was not understood").into()
    }
}

vllm_rollback_plugin::export_guest!(Plugin);
