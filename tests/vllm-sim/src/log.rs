//! Log lines in the forms that vLLM and uvicorn write, on standard output.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

static ON: AtomicBool = AtomicBool::new(false);

/// Begins to write. Before that lines are dropped, so that servers inside a test are silent.
pub fn start() {
    ON.store(true, Ordering::Relaxed);
}

/// A line of vLLM itself: level, time of day and the Python file that would have written it.
pub fn vllm(level: &str, source: &str, message: &str) {
    let time = jiff::Timestamp::now().strftime("%m-%d %H:%M:%S");
    line(&format!(
        "(APIServer pid={}) {level} {time} [{source}] {message}",
        std::process::id()
    ));
}

/// A line of the web server.
pub fn uvicorn(message: &str) {
    line(&format!("(APIServer pid={}) INFO:     {message}", std::process::id()));
}

/// A line as it is. A closed standard output is not a reason to stop serving.
pub fn line(text: &str) {
    if !ON.load(Ordering::Relaxed) {
        return;
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
