//! `registry status|disable|enable`

use clap::{Args, Subcommand};
use vllm_rollback_engine::TrafficAction;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Journal;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::registry::TrafficView;
use vllm_rollback_report::run::ReportKind;

use crate::args::change::ChangeArgs;
use crate::args::look::LookArgs;
use crate::args::output::OutputArgs;
use crate::session::Session;
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;

const EXAMPLES: &str = "\
Examples:
  {p} registry status llama-2-7b-production
  {p} registry disable llama-2-7b-production --reason \"maintenance\" --yes
  {p} registry enable llama-2-7b-production --yes";

const STATUS_EXAMPLES: &str = "\
Examples:
  {p} registry status llama-2-7b-production
  {p} registry status llama-2-7b-production --registry postgres --environment production --postgres-dsn-env DSN";

const DISABLE_EXAMPLES: &str = "\
Examples:
  {p} registry disable llama-2-7b-production --reason \"maintenance\"
  {p} registry disable llama-2-7b-production -n production --yes";

const ENABLE_EXAMPLES: &str = "\
Examples:
  {p} registry enable llama-2-7b-production
  {p} registry enable llama-2-7b-production -n production --yes";

/// `registry`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true, subcommand_value_name = "WHAT", subcommand_help_heading = "What")]
pub(crate) struct RegistryArgs {
    /// The action.
    #[command(subcommand)]
    pub(crate) what: What,
}

/// Actions on the model's place in traffic.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum What {
    /// Show whether clients reach the model
    #[command(after_help = STATUS_EXAMPLES)]
    Status(LookArgs),
    /// Take the model out of traffic, and prove that it is out
    #[command(after_help = DISABLE_EXAMPLES)]
    Disable(ChangeArgs),
    /// Let the model back into traffic as it was found, also after a run left it out
    #[command(after_help = ENABLE_EXAMPLES)]
    Enable(ChangeArgs),
}

impl RegistryArgs {
    /// Output flags of the action.
    pub(crate) fn output(&self) -> &OutputArgs {
        match &self.what {
            What::Status(args) => &args.site.output,
            What::Disable(args) | What::Enable(args) => &args.site.output,
        }
    }
}

/// Looks or changes.
pub(crate) async fn run(args: RegistryArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    match args.what {
        What::Status(args) => inspect(args, ui).await,
        What::Disable(args) => change(args, TrafficAction::Disable, ui).await,
        What::Enable(args) => change(args, TrafficAction::Enable, ui).await,
    }
}

async fn inspect(args: LookArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let session = Session::inspect(ui, &args.site, &args.release, HelmUse::Never).await?;
    let (now, memory) = tokio::try_join!(session.registry.read(), session.journal.load_state())?;
    let next = memory.held.iter().map(|_| session.command("registry enable")).collect();
    session.show(&TrafficView {
        release: session.release.clone(),
        now,
        next,
        held: memory.held,
    })
}

async fn change(args: ChangeArgs, action: TrafficAction, ui: &Ui) -> Result<ExitCode, Failure> {
    let session = Session::change(ui, &args.site, &args.release, HelmUse::Never).await?;
    let release = &session.release;
    let (verb, question) = match action {
        TrafficAction::Disable => (
            "registry disable",
            format!("Take the model of {release} out of traffic?"),
        ),
        TrafficAction::Enable => (
            "registry enable",
            format!("Let clients reach the model of {release}, unchecked?"),
        ),
    };
    session.confirm(&question, args.confirmation(verb)).await?;
    let request = session.request(args.reason);
    let ports = session.ports();
    let work = vllm_rollback_engine::set_traffic(&ports, &request, action);
    session.carry_out(ReportKind::Traffic, work).await
}
