//! Why a component did not give an answer, in words that an operator can use.

use std::time::Duration;

use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use crate::budget::TooManyCalls;
use crate::instance::CheckInstance;
use crate::untrusted;

/// The run's time is over. Raised inside the component, so that the text comes with a backtrace.
#[derive(Debug, thiserror::Error)]
#[error("it did not end within its deadline of {0:?}")]
pub(crate) struct DeadlinePassed(pub(crate) Duration);

/// Failure of a component, and its last words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Continues "the check …": one line.
    pub(crate) what: String,
    /// Panic text, backtrace.
    pub(crate) evidence: Vec<String>,
}

/// Lines of stderr that are shown.
const LINES: usize = 5;

impl Fault {
    /// The outer timer fired: the component waited in the host, where the epoch does not reach it.
    pub(crate) fn late(deadline: Duration) -> Self {
        Self {
            what: DeadlinePassed(deadline).to_string(),
            evidence: Vec::new(),
        }
    }

    /// Explains an error of wasmtime; its own text is mostly "error while executing at wasm backtrace".
    pub(crate) fn from_error(error: &wasmtime::Error, run: &CheckInstance) -> Self {
        let stderr = run.stderr.text();
        let panic = panic_text(&stderr);
        let root = untrusted::line(&error.root_cause().to_string(), 300);
        let what = if let Some(passed) = error.downcast_ref::<DeadlinePassed>() {
            passed.to_string()
        } else if let Some(many) = error.downcast_ref::<TooManyCalls>() {
            many.to_string()
        } else if let Some(refusal) = run.growth.refusal() {
            // Most components trap with `unreachable` when memory is refused; some print a panic about it.
            refusal.to_owned()
        } else if let Some(exit) = error.downcast_ref::<I32Exit>() {
            format!("it called exit({}) instead of giving a verdict", exit.0)
        } else if let Some(panic) = &panic {
            format!("it panicked: {panic}")
        } else if error.downcast_ref::<Trap>() == Some(&Trap::StackOverflow) {
            "it recursed until its stack was full".to_owned()
        } else {
            root.clone()
        };
        let mut evidence = untrusted::lines(&stderr, LINES, 300);
        if !what.contains(&root) && error.downcast_ref::<Trap>().is_some() {
            evidence.push(root);
        }
        evidence.extend(backtrace(error));
        Self { what, evidence }
    }
}

/// The message of a Rust panic, a Python exception or a JavaScript error.
fn panic_text(stderr: &str) -> Option<String> {
    let lines = untrusted::lines(stderr, 10_000, 300);
    if let Some(at) = lines.iter().rposition(|line| line.contains("panicked at")) {
        let place = lines[at].split("panicked at ").nth(1)?.trim_end_matches(':');
        let message = lines.get(at + 1).map_or("", String::as_str);
        return Some(untrusted::line(&format!("{message} (at {place})"), 250));
    }
    let is_error = |line: &&String| {
        line.split(':')
            .next()
            .is_some_and(|kind| kind.ends_with("Error") && !kind.contains(' '))
    };
    lines.iter().rev().find(is_error).cloned()
}

/// The innermost functions, when the component kept their names.
fn backtrace(error: &wasmtime::Error) -> Option<String> {
    let trace = error.downcast_ref::<wasmtime::WasmBacktrace>()?;
    let names: Vec<_> = trace
        .frames()
        .iter()
        .filter_map(wasmtime::FrameInfo::func_name)
        .take(4)
        .collect();
    (!names.is_empty()).then(|| untrusted::line(&format!("in {}", names.join(" < ")), 300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_rust_panic_is_found_in_its_noise() {
        let stderr =
            "loading\n\nthread 'main' (1) panicked at src/lib.rs:5:9:\nindex out of bounds\nnote: run with …\n";
        assert_eq!(panic_text(stderr).unwrap(), "index out of bounds (at src/lib.rs:5:9)");
    }

    #[test]
    fn the_last_line_of_a_traceback_is_the_message() {
        let stderr = "Traceback (most recent call last):\n  File \"app.py\", line 3\nKeyError: 'model'\n";
        assert_eq!(panic_text(stderr).unwrap(), "KeyError: 'model'");
    }

    #[test]
    fn ordinary_output_is_no_panic() {
        assert_eq!(panic_text("warming up\nError-free start\n"), None);
    }
}
