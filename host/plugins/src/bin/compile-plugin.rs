//! The compiler's process as a binary of its own: what this crate's tests start, where the tool starts itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    vllm_rollback_plugins::run_compile_child()
}
