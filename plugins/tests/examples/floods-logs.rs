//! Writes 100 MB of log lines with escape codes, then some to standard error, and passes.

use vllm_rollback_plugin::{Level, Verdict};

hostile::plugin!("floods-logs", "Writes 100 MB of log", |world, _context| {
    let line = "\u{1b}[2J\u{1b}[31mall is well\r\n".repeat(500);
    for _ in 0..10_000 {
        world.log(Level::Error, &line);
    }
    #[allow(clippy::print_stderr, reason = "the host has to bound this way out too")]
    for _ in 0..1_000 {
        eprintln!("{line}");
    }
    Ok(Verdict::pass("said everything"))
});
