//! `plan`

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;

use crate::args::request::RequestArgs;
use crate::args::site::SiteArgs;
use crate::args::target::TargetArgs;
use crate::session::Session;
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;

const EXAMPLES: &str = "\
Examples:
  {p} plan llama-2-7b-production
  {p} plan llama-2-7b-production 3 -n production -o json

Exit codes: 0 a rollback could begin; 1 it would be refused; 14 a GitOps controller owns the release.";

/// `plan`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

/// Shows what a rollback would do.
pub(crate) async fn run(mut args: PlanArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    args.target.place(&mut args.site.connection, ui.invoked_as)?;
    let session = Session::inspect(ui, &args.site, &args.target.release, HelmUse::Soon).await?;
    let request = args.request.apply(&args.target, session.request(None));
    session.show_plan(&request).await
}
