//! `rollback`

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::plan::Plan;
use vllm_rollback_engine::release::Revision;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_engine::request::{Accept, FenceWish, Request, TargetWish};
use vllm_rollback_report::look::Mark;
use vllm_rollback_report::plan as plan_page;
use vllm_rollback_report::run::Of;
use vllm_rollback_report::terminal::Terminal;

use crate::args::site::SiteArgs;
use crate::args::target::TargetArgs;
use crate::shell::{Shell, ticking};
use crate::signals::Signals;
use crate::wiring::helm::HelmUse;
use crate::wiring::site::Site;
use crate::{duration, panics, prompt};

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

/// What kubectl users write behind `--dry-run`.
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
    /// Why; goes into the report, the lock and the new revision's description
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Show the plan and change nothing
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_value = "none", default_missing_value = "client")]
    pub(crate) dry_run: DryRun,
    #[command(flatten)]
    pub(crate) wishes: WishArgs,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

/// What a plan depends on beside the release and the site.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WishArgs {
    /// Longest wait for the pods to get ready, instead of what their own probes allow
    #[arg(long, value_name = "TIME", value_parser = duration::parse_positive)]
    pub(crate) timeout: Option<Duration>,
    /// Go on although Helm's last operation on the release is pending and may still be alive
    #[arg(long)]
    pub(crate) accept_pending: bool,
    /// Go to the named revision although it failed or was rolled back from
    #[arg(long)]
    pub(crate) to_rejected: bool,
    /// Go on although Helm takes replicas away that an autoscaler or a person added
    #[arg(long)]
    pub(crate) accept_fewer_replicas: bool,
    /// What is taken out of traffic meanwhile
    #[arg(long, value_enum, value_name = "WHAT", default_value = "whole")]
    pub(crate) fence: Fence,
    /// What to do when a GitOps controller owns the release and is not suspended
    #[arg(long, value_enum, value_name = "WHAT", default_value = "refuse")]
    pub(crate) gitops: GitOps,
}

/// What is taken out of traffic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fence {
    /// The model
    #[default]
    Whole,
    /// All but the pods of the target's revision that still serve, once they passed the checks
    BadOnly,
}

impl From<Fence> for FenceWish {
    fn from(fence: Fence) -> Self {
        match fence {
            Fence::Whole => Self::Whole,
            Fence::BadOnly => Self::BadOnly,
        }
    }
}

/// What to do when a GitOps controller owns the release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum GitOps {
    /// Refuse: it would put the bad version back
    #[default]
    Refuse,
    /// Suspend it before anything else, and leave it suspended
    Suspend,
    /// Go on, and say it in the report
    Ignore,
}

impl GitOps {
    /// What that accepts by name.
    pub(crate) fn accepted(self) -> Option<Accept> {
        match self {
            Self::Refuse => None,
            Self::Suspend => Some(Accept::SuspendGitOps),
            Self::Ignore => Some(Accept::GitOps),
        }
    }
}

impl WishArgs {
    /// Puts them, and where to go, into a request.
    pub(crate) fn apply(&self, target: &TargetArgs, request: Request) -> Request {
        Request {
            target: target
                .wanted()
                .map_or(TargetWish::LastGood, |number| TargetWish::Exact(Revision(number))),
            accept: self.accepted(),
            fence: self.fence.into(),
            ..request
        }
    }

    fn accepted(&self) -> BTreeSet<Accept> {
        let given = [
            (self.accept_pending, Accept::PendingCurrent),
            (self.to_rejected, Accept::BadTarget),
            (self.accept_fewer_replicas, Accept::FewerReplicas),
        ];
        let gitops = self.gitops.accepted();
        given
            .into_iter()
            .filter_map(|(yes, what)| yes.then_some(what))
            .chain(gitops)
            .collect()
    }
}

/// Plans, asks, rolls back, reports.
pub(crate) async fn run(args: RollbackArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    if args.dry_run != DryRun::None {
        return crate::verbs::plan::show(&args.target, &args.wishes, args.site, shell).await;
    }
    let terminal = Arc::new(shell.terminal());
    let speaker = Arc::clone(&terminal);
    let signals = Signals::listen(move |text| speaker.say(Mark::Attention, text))?;
    let connection = args.target.place(args.site.connection.clone(), shell)?;
    let opening = Site::open(
        shell,
        &args.site,
        connection,
        &args.target.release,
        &terminal,
        HelmUse::Soon,
    );
    let site = signals.unless_asked(opening).await?;
    let mut request = args.wishes.apply(&args.target, site.request(args.wishes.timeout));
    request.reason.clone_from(&args.reason);
    let revision = args.target.wanted().map(|number| number.to_string());
    let consent = Consent {
        verb: "rollback",
        rest: revision.unwrap_or_default(),
        given: args.yes,
    };
    carry_out(&site, request, consent, shell, &terminal, &signals).await
}

/// The operator's yes: given with the command, or asked for.
#[derive(Debug)]
pub(crate) struct Consent {
    /// The verb that was typed.
    pub(crate) verb: &'static str,
    /// What was typed behind the release.
    pub(crate) rest: String,
    /// `--yes`.
    pub(crate) given: bool,
}

/// Plans, asks, carries the plan out, reports.
///
/// # Errors
/// When there is no plan, or no yes.
pub(crate) async fn carry_out(
    site: &Site,
    mut request: Request,
    consent: Consent,
    shell: &Shell,
    terminal: &Terminal,
    signals: &Signals,
) -> Result<ExitCode, Failure> {
    let world = site.world(signals, terminal);
    let planning = signals.unless_asked(vllm_rollback_engine::plan(&world, &request));
    let plan = ticking(terminal, planning).await?;
    request.planning = shell.age();
    // A plan that is refused needs no answer: the report says why.
    if !consent.given && vllm_rollback_engine::refusal(&plan).is_none() {
        terminal.clear();
        ask(&plan, &consent, shell, signals).await?;
    }
    panics::run_begins();
    let report = ticking(terminal, vllm_rollback_engine::rollback(&world, &request, plan)).await;
    panics::run_ended();
    terminal.clear();
    shell.report(Of::Rollback, report)
}

async fn ask(plan: &Plan, consent: &Consent, shell: &Shell, signals: &Signals) -> Result<(), Failure> {
    shell.say(&plan_page::summary(plan, shell.glyphs));
    let release = &plan.release;
    let question = format!(
        "Roll {release} back from revision {} to {}?",
        plan.current.revision, plan.target
    );
    let words = [
        shell.program.name(),
        consent.verb,
        &release.name,
        &consent.rest,
        "-n",
        &release.namespace,
        "--yes",
    ];
    let typed: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    prompt::confirm(&question, &typed.join(" "), signals).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_what_was_typed() {
        let wishes = WishArgs {
            to_rejected: true,
            ..WishArgs::default()
        };
        assert_eq!(wishes.accepted(), BTreeSet::from([Accept::BadTarget]));
        assert!(WishArgs::default().accepted().is_empty());
    }
}
