//! Sleeps for an hour inside the host, where no epoch interrupts it, and would pass then.

use std::time::Duration;

use vllm_rollback_plugin::Verdict;

hostile::plugin!("sleeps", "Sleeps for an hour", |world, _context| {
    world.sleep(Duration::from_secs(3_600));
    Ok(Verdict::pass("slept well"))
});
