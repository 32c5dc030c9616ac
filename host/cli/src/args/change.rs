//! What a verb takes that changes something on a release.

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
    /// Why; goes into the lock, the report and what later runs read
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}
