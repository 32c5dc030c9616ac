//! `validate`

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::run::Of;

use crate::args::site::SiteArgs;
use crate::shell::{Shell, ticking};
use crate::signals::Never;
use crate::wiring::helm::HelmUse;
use crate::wiring::site::Site;
use crate::{duration, names};

const EXAMPLES: &str = "\
Examples:
  {p} validate llama-2-7b-production
  {p} validate llama-2-7b-production --param completion.prompt=\"2+2=\"
  {p} validate llama-2-7b-production --plugin ./mine.wasm --grant mine=pod -o json

Exit codes: 0 every required check passed; 1 one did not, or could not run.";

/// `validate`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ValidateArgs {
    /// Helm release of the model
    #[arg(value_name = "RELEASE", value_parser = names::release)]
    pub(crate) release: String,
    /// Longest wait for the pods to be ready, instead of what their own probes allow
    #[arg(long, value_name = "TIME", value_parser = duration::parse_positive)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

/// Runs the checks and reports.
pub(crate) async fn run(args: ValidateArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    let terminal = Arc::new(shell.terminal());
    let connection = args.site.connection.clone().with_helm(shell.program, &shell.env);
    let site = Site::open(shell, &args.site, connection, &args.release, &terminal, HelmUse::Never).await?;
    let request = site.request(args.timeout);
    let world = site.world(&Never, terminal.as_ref());
    let report = ticking(&terminal, vllm_rollback_engine::validate(&world, &request)).await;
    terminal.clear();
    shell.report(Of::Validation, report)
}
