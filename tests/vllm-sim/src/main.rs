//! The program around the library: command line, environment and exit code.

use vllm_sim::args::Args;
use vllm_sim::faults::Faults;
use vllm_sim::{lifecycle, log};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (args, dropped) = Args::read(std::env::args().skip(1)).unwrap_or_else(|error| error.exit());
    log::start();
    let faults = Faults::read(std::env::vars()).unwrap_or_else(|why| {
        log::line(&format!("vllm-sim: {why}"));
        std::process::exit(2)
    });
    if !dropped.is_empty() {
        log::vllm(
            "INFO",
            "vllm-sim",
            &format!("flags without effect here: {}", dropped.join(" ")),
        );
    }
    let bind = std::env::var("POD_BIND_IP").ok().map(|address| {
        address.parse().unwrap_or_else(|error| {
            log::line(&format!("vllm-sim: POD_BIND_IP={address}: {error}"));
            std::process::exit(2)
        })
    });
    let oom_marker = std::env::var("TESTBED_OOM_MARKER").ok();
    std::process::exit(lifecycle::run(args, faults, bind, oom_marker).await)
}
