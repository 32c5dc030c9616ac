//! `version`

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::version::Version;

use crate::args::output::OutputArgs;
use crate::program;
use crate::shell::Shell;

const EXAMPLES: &str = "\
Examples:
  {p} version
  {p} version -o json";

/// `version`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VersionArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Shows the versions.
pub(crate) fn run(_: &VersionArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    shell.show(&Version {
        version: program::VERSION,
        plugin_contract: vllm_rollback_plugins::CONTRACT,
        wasmtime: vllm_rollback_plugins::WASMTIME,
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
    })?;
    Ok(ExitCode::Success)
}
