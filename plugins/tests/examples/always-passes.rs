//! Passes.

use vllm_rollback_plugin::{Measurement, Verdict};

hostile::plugin!("always-passes", "Passes", |_world, context| {
    Ok(Verdict::pass(format!("{} looks fine", context.release))
        .evidence("looked at nothing")
        .measured(Measurement::new("looks", 0.0, "1").held_against(1.0)))
});
