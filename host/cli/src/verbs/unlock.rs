//! `unlock`

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::run::ReportKind;

use crate::args::site::SiteArgs;
use crate::names;
use crate::session::Session;
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;

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
    /// Reason; goes into the journal and the report
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

/// Removes the lock. It changes nothing else, so a signal may end it at any time.
pub(crate) async fn run(args: UnlockArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let session = Session::inspect(ui, &args.site, &args.release, HelmUse::Never).await?;
    let request = session.request(args.reason);
    let ports = session.ports();
    let work = vllm_rollback_engine::unlock(&ports, &request, args.force);
    session.report(ReportKind::Unlock, work).await
}
