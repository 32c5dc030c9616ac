//! `version`

use clap::Args;
use serde::Serialize;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::document::Document;
use vllm_rollback_report::text::TextWriter;

use crate::args::output::OutputArgs;
use crate::invoked_as;
use crate::ui::Ui;

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
pub(crate) fn run(_: &VersionArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    ui.show(&Version {
        version: invoked_as::VERSION,
        plugin_contract: vllm_rollback_plugins::CONTRACT,
        wasmtime: vllm_rollback_plugins::WASMTIME,
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
    })?;
    Ok(ExitCode::Success)
}

/// The versions of the tool and of what it is built on.
#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
    plugin_contract: &'static str,
    wasmtime: &'static str,
    os: &'static str,
    arch: &'static str,
}

impl Document for Version {
    fn kind(&self) -> &'static str {
        "Version"
    }

    fn write(&self, out: &mut TextWriter) {
        let platform = format!("{}/{}", self.os, self.arch);
        let rows = [
            ("kubectl-vllm_rollback", self.version),
            ("plugin contract", self.plugin_contract),
            ("wasmtime", self.wasmtime),
            ("platform", &platform),
        ];
        for (name, value) in rows {
            out.plain(0, format!("{name:<21} {value}"));
        }
    }
}
