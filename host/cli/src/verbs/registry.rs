//! `registry status|disable|enable`

use std::sync::Arc;

use clap::{Args, Subcommand};
use vllm_rollback_engine::TrafficWish;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Journal;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::look::Mark;
use vllm_rollback_report::registry::{self as page, Place};
use vllm_rollback_report::run::Of;

use crate::args::change::ChangeArgs;
use crate::args::output::OutputArgs;
use crate::args::site::SiteArgs;
use crate::shell::{Shell, ticking};
use crate::signals::Signals;
use crate::wiring::helm::HelmUse;
use crate::wiring::site::Site;
use crate::{names, panics, prompt};

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
    /// What to do.
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What to do with the model's place in traffic.
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

/// `registry status`
#[derive(Debug, Clone, Args)]
pub(crate) struct LookArgs {
    /// Helm release of the model
    #[arg(value_name = "RELEASE", value_parser = names::release)]
    pub(crate) release: String,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

impl RegistryArgs {
    /// How it speaks.
    pub(crate) fn output(&self) -> &OutputArgs {
        match &self.what {
            What::Status(args) => &args.site.output,
            What::Disable(args) | What::Enable(args) => &args.site.output,
        }
    }
}

/// Looks or changes.
pub(crate) async fn run(args: RegistryArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    match args.what {
        What::Status(args) => look(args, shell).await,
        What::Disable(args) => change(args, TrafficWish::Disable, shell).await,
        What::Enable(args) => change(args, TrafficWish::Enable, shell).await,
    }
}

async fn look(args: LookArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    let terminal = Arc::new(shell.terminal());
    let connection = args.site.connection.clone().with_helm(shell.program, &shell.env);
    let site = Site::open(shell, &args.site, connection, &args.release, &terminal, HelmUse::Never).await?;
    let (now, memory) = tokio::try_join!(site.registry.read(), site.journal.memory())?;
    let place = Place {
        release: site.release.clone(),
        now,
        next: memory
            .held
            .iter()
            .map(|_| {
                shell
                    .program
                    .command("registry enable", &site.release.name, &site.release.namespace)
            })
            .collect(),
        held: memory.held,
    };
    shell.show(&place, page::table, page::json)?;
    Ok(ExitCode::Success)
}

async fn change(args: ChangeArgs, wish: TrafficWish, shell: &Shell) -> Result<ExitCode, Failure> {
    let terminal = Arc::new(shell.terminal());
    let speaker = Arc::clone(&terminal);
    let signals = Signals::listen(move |text| speaker.say(Mark::Attention, text))?;
    let connection = args.site.connection.clone().with_helm(shell.program, &shell.env);
    let opening = Site::open(shell, &args.site, connection, &args.release, &terminal, HelmUse::Never);
    let site = signals.unless_asked(opening).await?;
    let mut request = site.request(None);
    request.reason = args.reason;
    if !args.yes {
        let release = &site.release;
        let (question, verb) = match wish {
            TrafficWish::Disable => (
                format!("Take the model of {release} out of traffic?"),
                "registry disable",
            ),
            TrafficWish::Enable => (
                format!("Let clients reach the model of {release}, unchecked?"),
                "registry enable",
            ),
        };
        let with_yes = shell.program.command(verb, &release.name, &release.namespace) + " --yes";
        prompt::confirm(&question, &with_yes, &signals).await?;
    }
    let world = site.world(&signals, terminal.as_ref());
    panics::run_begins();
    let report = ticking(&terminal, vllm_rollback_engine::set_traffic(&world, &request, wish)).await;
    panics::run_ended();
    terminal.clear();
    shell.report(Of::Traffic, report)
}
