//! Calls itself until a stack ends.

use std::hint::black_box;

use vllm_rollback_plugin::Verdict;

#[inline(never)]
#[allow(unconditional_recursion, reason = "that is the point")]
fn deeper(depth: u64) -> u64 {
    let frame = black_box([depth; 32]);
    deeper(black_box(frame[7] + 1)) + frame[3]
}

hostile::plugin!("recurses", "Calls itself without end", |_world, _context| {
    Ok(Verdict::pass(format!("came back from {}", deeper(0))))
});
