//! Our whole run against `helm rollback --wait` alone and against the runbook's script, in pairs on one cluster.
#![allow(clippy::panic, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod plugins;
mod sides;
mod table;

use sides::Bench;
use table::{Row, publish};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::paths;

/// Pairs of each comparison.
const PAIRS: usize = 5;

fn main() {
    let bench = Bench::start();
    let mut ours: [Vec<f64>; 2] = Default::default();
    let mut helm: [Vec<f64>; 2] = Default::default();
    let mut script = Vec::new();
    let (mut fenced, mut memory) = (Vec::new(), Vec::new());
    // The first run of a binary reads it from disk; it is not counted on any side.
    bench.ours(Major::Three);
    for pair in 1..=PAIRS {
        for (at, major) in Major::BOTH.into_iter().enumerate() {
            eprintln!("pair {pair} of {PAIRS}, {major:?}");
            let run = bench.ours(major);
            ours[at].push(run.seconds);
            fenced.push(run.fenced_ms);
            memory.push(run.peak_rss_mb);
            helm[at].push(bench.helm(major));
        }
        script.push(bench.script());
    }
    let size = std::fs::metadata(paths::tool()).map_or(f64::NAN, |meta| meta.len() as f64 / 1e6);
    let (warm, cold) = plugins::load_times(PAIRS);
    publish(&[
        Row::pair("full run / helm3 rollback --wait", &ours[0], &helm[0], 1.0),
        Row::pair("full run / helm4 rollback --wait", &ours[1], &helm[1], 1.2),
        Row::pair("full run (helm3) / the runbook's script", &ours[0], &script, 0.25),
        Row::bound("start to fenced", &fenced, 500.0, "ms"),
        Row::bound("five checks loaded and instantiated, warm", &warm, 10.0, "ms"),
        Row::bound("five checks loaded and instantiated, cold", &cold, 5000.0, "ms"),
        Row::bound("binary size", &[size], 30.0, "MB"),
        Row::bound("peak memory of a run (RSS)", &memory, 80.0, "MB"),
    ]);
}
