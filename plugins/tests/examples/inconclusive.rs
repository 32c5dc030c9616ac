//! Cannot tell.

use vllm_rollback_plugin::Verdict;

hostile::plugin!("inconclusive", "Cannot tell", |_world, _context| {
    Ok(Verdict::inconclusive("this plugin cannot tell"))
});
