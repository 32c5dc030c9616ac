//! `plan`

use std::sync::Arc;

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::plan as page;

use crate::args::site::SiteArgs;
use crate::args::target::TargetArgs;
use crate::shell::{Shell, ticking};
use crate::signals::Never;
use crate::verbs::rollback::WishArgs;
use crate::wiring::helm::HelmUse;
use crate::wiring::site::Site;

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
    pub(crate) wishes: WishArgs,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

/// Shows what a rollback would do.
pub(crate) async fn run(args: PlanArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    show(&args.target, &args.wishes, args.site, shell).await
}

/// Shows what a rollback would do; also `rollback --dry-run`.
///
/// # Errors
/// Why it would be refused.
pub(crate) async fn show(
    target: &TargetArgs,
    wishes: &WishArgs,
    site: SiteArgs,
    shell: &Shell,
) -> Result<ExitCode, Failure> {
    let terminal = Arc::new(shell.terminal());
    let connection = target.place(site.connection.clone(), shell)?;
    let site = Site::open(shell, &site, connection, &target.release, &terminal, HelmUse::Soon).await?;
    let request = wishes.apply(target, site.request(wishes.timeout));
    let world = site.world(&Never, terminal.as_ref());
    let planning = async {
        let mut plan = vllm_rollback_engine::plan(&world, &request).await?;
        vllm_rollback_engine::try_spared(&world, &request, &mut plan).await?;
        Ok::<_, Failure>(plan)
    };
    let looking = async { tokio::join!(planning, site.routing()) };
    let (plan, routing) = ticking(&terminal, looking).await;
    terminal.clear();
    let mut plan = plan?;
    plan.preflight.findings.extend(routing);
    shell.show(&plan, page::table, page::json)?;
    match vllm_rollback_engine::refusal(&plan) {
        None => Ok(ExitCode::Success),
        Some(failure) => Ok(shell.explain(&failure, Some("nothing was changed"))),
    }
}
