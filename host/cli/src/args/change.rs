//! Arguments of a verb that changes something on a release.

use clap::Args;

use crate::args::site::SiteArgs;
use crate::names;

/// The release, the operator's consent and reason, and the site.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    /// Helm release of the model
    #[arg(value_name = "RELEASE", value_parser = names::release)]
    pub(crate) release: String,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Reason; goes into the lock, the report and what later runs read
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

impl ChangeArgs {
    /// The operator's yes to `verb`.
    pub(crate) fn confirmation(&self, verb: &'static str) -> Confirmation {
        Confirmation {
            verb,
            revision: None,
            given: self.yes,
        }
    }
}

/// The operator's yes: given with the command, or asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confirmation {
    /// The verb that was typed.
    pub(crate) verb: &'static str,
    /// The revision that was typed behind the release.
    pub(crate) revision: Option<u32>,
    /// `--yes`.
    pub(crate) given: bool,
}
