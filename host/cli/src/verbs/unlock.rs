//! `unlock`

use std::sync::Arc;

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::run::Of;

use crate::args::site::SiteArgs;
use crate::names;
use crate::shell::{Shell, ticking};
use crate::signals::Never;
use crate::wiring::helm::HelmUse;
use crate::wiring::site::Site;

const EXAMPLES: &str = "\
Examples:
  {p} unlock llama-2-7b-production
  {p} unlock llama-2-7b-production -n production --force --reason \"ann's laptop was stolen\"

A lock whose run is dead needs no force, and the next run takes it by itself. A run that is alive after all notices
before its next change, and stops with exit code 13.";

/// `unlock`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UnlockArgs {
    /// Helm release of the model
    #[arg(value_name = "RELEASE", value_parser = names::release)]
    pub(crate) release: String,
    /// Remove the lock of a run that may be alive
    #[arg(long, requires = "reason")]
    pub(crate) force: bool,
    /// Why; goes into the journal and the report
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

/// Removes the lock.
pub(crate) async fn run(args: UnlockArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    let terminal = Arc::new(shell.terminal());
    let connection = args.site.connection.clone().with_helm(shell.program, &shell.env);
    let site = Site::open(shell, &args.site, connection, &args.release, &terminal, HelmUse::Never).await?;
    let mut request = site.request(None);
    request.reason = args.reason;
    let world = site.world(&Never, terminal.as_ref());
    let report = ticking(&terminal, vllm_rollback_engine::unlock(&world, &request, args.force)).await;
    terminal.clear();
    shell.report(Of::Unlock, report)
}
