//! `rollback`

use clap::{Args, ValueEnum};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;

use crate::args::change::Confirmation;
use crate::args::request::RequestArgs;
use crate::args::site::SiteArgs;
use crate::args::target::TargetArgs;
use crate::session::Session;
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;

const EXAMPLES: &str = "\
Examples:
  {p} rollback llama-2-7b-production --reason \"crash loop after 0.9.2\"
  {p} rollback llama-2-7b-production 3 -n production --yes -o json
  {p} rollback llama-2-7b-production 0 production --registry postgres \\
      --environment production --postgres-dsn-env REGISTRY_DSN \\
      --router-url http://api-router:8080 --router-key-env ROUTER_KEY

Exit codes:
   0  restored and serving                        12  another run is at work
   1  refused, nothing changed                    13  interrupted, or unknown
  10  a check failed: held out of traffic         14  a GitOps controller owns the release
  11  the rollback failed: held out of traffic    15  the state changed since the plan";

/// Values of `--dry-run`, as in kubectl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    /// Do it
    None,
    /// Show the plan
    Client,
    /// Show the plan: it always asks the server
    Server,
}

/// `rollback`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Reason; goes into the report, the lock and the new revision's description
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Show the plan and change nothing
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_value = "none", default_missing_value = "client")]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

/// Plans, asks, rolls back, reports.
pub(crate) async fn run(mut args: RollbackArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    args.target.place(&mut args.site.connection, ui.invoked_as)?;
    let release = &args.target.release;
    if args.dry_run != DryRun::None {
        let session = Session::inspect(ui, &args.site, release, HelmUse::Soon).await?;
        let request = args.request.apply(&args.target, session.request(None));
        return session.show_plan(&request).await;
    }
    let session = Session::change(ui, &args.site, release, HelmUse::Soon).await?;
    let request = args.request.apply(&args.target, session.request(args.reason));
    let confirmation = Confirmation {
        verb: "rollback",
        revision: args.target.wanted(),
        given: args.yes,
    };
    session.roll_back(request, confirmation).await
}
