//! Takes 1 MiB after the other and writes to it; would pass with 4 GiB, which is all that 32 bits reach.

use std::hint::black_box;

use vllm_rollback_plugin::Verdict;

hostile::plugin!("eats-memory", "Takes memory without end", |_world, _context| {
    let mut pieces = Vec::new();
    for _ in 0..4_096 {
        pieces.push(vec![7_u8; 1 << 20]);
        black_box(&mut pieces);
    }
    Ok(Verdict::pass(format!("holds {} MiB", pieces.len())))
});
