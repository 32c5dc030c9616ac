//! `resume`

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_engine::request::Accept;
use vllm_rollback_report::look::Mark;

use crate::args::change::ChangeArgs;
use crate::duration;
use crate::shell::Shell;
use crate::signals::Signals;
use crate::verbs::rollback::{Consent, GitOps, carry_out};
use crate::wiring::helm::HelmUse;
use crate::wiring::site::Site;

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
    /// What to do when a GitOps controller owns the release and is not suspended
    #[arg(long, value_enum, value_name = "WHAT", default_value = "refuse")]
    pub(crate) gitops: GitOps,
}

/// Finishes the run that was cut off.
pub(crate) async fn run(args: ResumeArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    let terminal = Arc::new(shell.terminal());
    let speaker = Arc::clone(&terminal);
    let signals = Signals::listen(move |text| speaker.say(Mark::Attention, text))?;
    let connection = args.change.site.connection.clone().with_helm(shell.program, &shell.env);
    let opening = Site::open(
        shell,
        &args.change.site,
        connection,
        &args.change.release,
        &terminal,
        HelmUse::Soon,
    );
    let site = signals.unless_asked(opening).await?;
    let mut request = site.request(args.timeout);
    request.resumes = true;
    request.reason = args.change.reason;
    if args.accept_pending {
        request.accept.insert(Accept::PendingCurrent);
    }
    request.accept.extend(args.gitops.accepted());
    let consent = Consent {
        verb: "resume",
        rest: String::new(),
        given: args.change.yes,
    };
    carry_out(&site, request, consent, shell, &terminal, &signals).await
}
