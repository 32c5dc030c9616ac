//! `version`

use clap::Args;
use serde::Serialize;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::json::{self, Kind};

use crate::args::output::OutputArgs;
use crate::shell::Shell;

const EXAMPLES: &str = "\
Examples:
  {p} version
  {p} version -o json";

/// The tool's version, for reports and journals.
pub(crate) const TOOL: &str = env!("CARGO_PKG_VERSION");

/// `version`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VersionArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
    plugin_contract: &'static str,
    wasmtime: &'static str,
    os: &'static str,
    arch: &'static str,
}

/// Shows the versions.
pub(crate) fn run(_: &VersionArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    let version = Version {
        version: TOOL,
        plugin_contract: vllm_rollback_plugins::CONTRACT,
        wasmtime: vllm_rollback_plugins::WASMTIME,
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
    };
    shell.show(
        &version,
        |v, _| {
            format!(
                "kubectl-vllm_rollback {}\nplugin contract       {}\nwasmtime              {}\nplatform              {}/{}\n",
                v.version, v.plugin_contract, v.wasmtime, v.os, v.arch
            )
        },
        |v| json::document(Kind::Version, v),
    )?;
    Ok(ExitCode::Success)
}
