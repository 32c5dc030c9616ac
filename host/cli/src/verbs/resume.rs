//! `resume`

use std::time::Duration;

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_engine::request::Override;
use vllm_rollback_settings::duration;

use crate::args::change::ChangeArgs;
use crate::args::request::GitOps;
use crate::session::Session;
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;

const EXAMPLES: &str = "\
Examples:
  {p} resume llama-2-7b-production
  {p} resume llama-2-7b-production -n production --yes -o json

It works from any machine: what it needs is in the cluster. Give it the registry flags that the run had.
Exit codes are those of rollback; 1 also means that no run is unfinished.";

/// `resume`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Longest wait for the pods to get ready, instead of what their own probes allow
    #[arg(long, value_name = "TIME", value_parser = duration::parse_positive)]
    pub(crate) timeout: Option<Duration>,
    /// Go on although Helm's last operation on the release is pending and may still be alive
    #[arg(long)]
    pub(crate) accept_pending: bool,
    /// Reaction to a GitOps controller that owns the release and is not suspended
    #[arg(long, value_enum, value_name = "WHAT", default_value = "refuse")]
    pub(crate) gitops: GitOps,
}

/// Finishes the run that was cut off.
pub(crate) async fn run(args: ResumeArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let change = args.change;
    let confirmation = change.confirmation("resume");
    let session = Session::change(ui, &change.site, &change.release, HelmUse::Soon).await?;
    let mut request = session.request(change.reason);
    request.resumes = true;
    request.deadlines.readiness = args.timeout.or(request.deadlines.readiness);
    request
        .accept
        .extend(args.accept_pending.then_some(Override::PendingCurrent));
    request.accept.extend(args.gitops.accepted());
    session.roll_back(request, confirmation).await
}
