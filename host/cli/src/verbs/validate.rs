//! `validate`

use std::time::Duration;

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::run::ReportKind;
use vllm_rollback_settings::duration;

use crate::args::site::SiteArgs;
use crate::names;
use crate::session::Session;
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;

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
pub(crate) async fn run(args: ValidateArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let session = Session::inspect(ui, &args.site, &args.release, HelmUse::Never).await?;
    let mut request = session.request(None);
    request.deadlines.readiness = args.timeout.or(request.deadlines.readiness);
    let ports = session.ports();
    let work = vllm_rollback_engine::validate(&ports, &request);
    session.report(ReportKind::Validation, work).await
}
