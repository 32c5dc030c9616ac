//! How much memory a child held at most.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::process::Running;

/// Watches a child with piped stdout to its end; megabytes of peak resident memory, and what it printed.
///
/// # Panics
/// When it does not end within `limit`.
pub fn peak_until_end(running: &mut Running, limit: Duration) -> (f64, Vec<u8>) {
    let mut stdout = running.child().stdout.take().expect("stdout is piped");
    let stderr = running.child().stderr.take();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        bytes
    });
    // A full pipe would stop the child.
    std::thread::spawn(move || stderr.map(|mut pipe| std::io::copy(&mut pipe, &mut std::io::sink())));
    let status = format!("/proc/{}/status", running.pid());
    let start = Instant::now();
    let mut peak = 0.0_f64;
    loop {
        if let Some(kilobytes) = std::fs::read_to_string(&status)
            .ok()
            .as_deref()
            .and_then(high_water_mark)
        {
            peak = peak.max(kilobytes / 1e3);
        }
        if running.wait(Duration::from_millis(5)).is_some() {
            return (peak, reader.join().unwrap_or_default());
        }
        assert!(start.elapsed() < limit, "the child did not end within {limit:?}");
    }
}

fn high_water_mark(status: &str) -> Option<f64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse()
        .ok()
}
