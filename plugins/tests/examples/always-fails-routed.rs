//! Fails in phase routed, when the model is already back in traffic.

use vllm_rollback_plugin::prelude::*;

struct Plugin;

impl Check for Plugin {
    type Parameters = NoParameters;

    fn manifest() -> Manifest {
        hostile::manifest("always-fails-routed", "Fails once the model is back in traffic").per_release(Phase::Routed)
    }

    fn run(_world: &impl World, _context: &Context, _parameters: &NoParameters) -> Finding {
        Ok(Verdict::fail(
            "this plugin always fails once the model is back in traffic",
        ))
    }
}

export_check!(Plugin);
