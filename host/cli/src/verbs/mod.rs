//! One file for each verb.

pub(crate) mod abort;
pub(crate) mod history;
pub(crate) mod plan;
pub(crate) mod registry;
pub(crate) mod replay;
pub(crate) mod resume;
pub(crate) mod rollback;
pub(crate) mod status;
pub(crate) mod unlock;
pub(crate) mod validate;
pub(crate) mod version;

use clap::{CommandFactory, Parser, Subcommand};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;

use crate::args::change::ChangeArgs;
use crate::args::look::LookArgs;
use crate::args::output::OutputArgs;
use crate::invoked_as::InvokedAs;
use crate::ui::Ui;

const ABOUT: &str = "Take a broken vLLM release back to a good revision, and prove that it serves.

The model is taken out of traffic, and that is proved; Helm puts the good revision back; sandboxed checks prove that it \
answers; then, and only then, clients reach it again. If it does not answer, it stays out of traffic and you are told why.";

const EXAMPLES: &str = "\
Examples:
  {p} llama-2-7b-production                to the last good revision
  {p} llama-2-7b-production 3              to revision 3
  {p} llama-2-7b-production 0 production   0 = last good, in namespace production
  {p} plan llama-2-7b-production           what would happen; changes nothing

Without a verb it is `rollback`, and the flags of `{p} rollback --help` work.";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    about = ABOUT,
    after_help = EXAMPLES,
    args_override_self = true,
    disable_version_flag = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110,
    override_usage = "{p} [rollback] RELEASE [REVISION] [NAMESPACE] [FLAGS]\n       {p} VERB …",
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs"
)]
pub(crate) struct Cli {
    /// The verb.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Take the release back to a good revision, and prove that it serves
    Rollback(Box<rollback::RollbackArgs>),
    /// Show what a rollback would do; changes nothing
    Plan(Box<plan::PlanArgs>),
    /// Show the release's revisions: which is current, last good, rejected, held
    #[command(after_help = history::EXAMPLES)]
    History(Box<LookArgs>),
    /// Show what serves now, whether clients reach it, and what is left of earlier runs
    #[command(after_help = status::EXAMPLES)]
    Status(Box<LookArgs>),
    /// Run the checks against what serves now; changes nothing
    Validate(Box<validate::ValidateArgs>),
    /// Finish a run that was cut off, from any machine
    Resume(Box<resume::ResumeArgs>),
    /// End a run that was cut off, in the best safe state
    #[command(after_help = abort::EXAMPLES)]
    Abort(Box<ChangeArgs>),
    /// Remove the lock of a run that is dead
    Unlock(Box<unlock::UnlockArgs>),
    /// Look at the model's place in traffic, or change it by hand
    Registry(Box<registry::RegistryArgs>),
    /// Run an earlier run's journal again, without a cluster: why it went as it did
    Replay(replay::ReplayArgs),
    /// Show the versions of the tool and of its plugin contract
    Version(version::VersionArgs),
}

impl Verb {
    /// Output flags of the verb.
    pub(crate) fn output(&self) -> &OutputArgs {
        match self {
            Self::Rollback(args) => &args.site.output,
            Self::Plan(args) => &args.site.output,
            Self::History(args) => &args.site.output,
            Self::Status(args) => &args.site.output,
            Self::Validate(args) => &args.site.output,
            Self::Resume(args) => &args.change.site.output,
            Self::Abort(args) => &args.site.output,
            Self::Unlock(args) => &args.site.output,
            Self::Registry(args) => args.output(),
            Self::Replay(args) => &args.output,
            Self::Version(args) => &args.output,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// When there is no result to show; the exit code comes from the failure's kind.
    pub(crate) async fn run(self, ui: &Ui) -> Result<ExitCode, Failure> {
        match self {
            Self::Rollback(args) => rollback::run(*args, ui).await,
            Self::Plan(args) => plan::run(*args, ui).await,
            Self::History(args) => history::run(*args, ui).await,
            Self::Status(args) => status::run(*args, ui).await,
            Self::Validate(args) => validate::run(*args, ui).await,
            Self::Resume(args) => resume::run(*args, ui).await,
            Self::Abort(args) => abort::run(*args, ui).await,
            Self::Unlock(args) => unlock::run(*args, ui).await,
            Self::Registry(args) => registry::run(*args, ui).await,
            Self::Replay(args) => replay::run(&args, ui),
            Self::Version(args) => version::run(&args, ui),
        }
    }
}

/// The command line in the user's words: usage lines and examples say `kubectl vllm-rollback` or `helm vllm`.
pub(crate) fn command(invoked_as: InvokedAs) -> clap::Command {
    in_words(Cli::command(), invoked_as)
        .name(invoked_as.name())
        .bin_name(invoked_as.name())
        .override_usage(format!(
            "{0} [rollback] RELEASE [REVISION] [NAMESPACE] [FLAGS]\n       {0} VERB …",
            invoked_as.name()
        ))
}

fn in_words(command: clap::Command, invoked_as: InvokedAs) -> clap::Command {
    let help = command
        .get_after_help()
        .map(|text| text.to_string().replace("{p}", invoked_as.name()));
    let command = command.mut_subcommands(|verb| in_words(verb, invoked_as));
    match help {
        Some(help) => command.after_help(help),
        None => command,
    }
}

#[cfg(test)]
mod tests;
