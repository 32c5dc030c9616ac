//! Fails in phase direct.

use vllm_rollback_plugin::Verdict;

hostile::plugin!("always-fails", "Fails", |_world, _context| {
    Ok(Verdict::fail("this plugin always fails").evidence("no model can please it"))
});
