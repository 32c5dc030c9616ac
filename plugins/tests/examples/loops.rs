//! Computes for ever without calling the host.

use std::hint::black_box;

hostile::plugin!("loops", "Computes for ever", |_world, _context| {
    let mut number = 0_u64;
    loop {
        number = black_box(number.wrapping_add(1));
    }
});
