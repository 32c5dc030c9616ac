//! Gives an outcome that is no word of the contract, however much it looks like a pass.

use vllm_rollback_plugin::Context;
use vllm_rollback_plugin::bindings::exports::vllm_rollback::plugin::check::Guest;
use vllm_rollback_plugin::contract::{Manifest, Verdict};

struct Plugin;

impl Guest for Plugin {
    fn describe() -> Manifest {
        hostile::manifest("unknown-outcome", "Gives its parameters as outcome").into()
    }

    fn validate(context: Context) -> Verdict {
        let all_well = vllm_rollback_plugin::Verdict::pass("all is well");
        let outcome = serde_json::from_str::<serde_json::Value>(&context.parameters);
        let outcome = outcome
            .ok()
            .and_then(|given| given["outcome"].as_str().map(str::to_owned));
        Verdict {
            outcome: outcome.unwrap_or_else(|| "passed".to_owned()),
            ..all_well.into()
        }
    }
}

vllm_rollback_plugin::export_guest!(Plugin);
