//! What a verb takes that only looks at a release.

use clap::Args;

use crate::args::site::SiteArgs;
use crate::names;

/// The release and the site.
#[derive(Debug, Clone, Args)]
pub(crate) struct LookArgs {
    /// Helm release of the model
    #[arg(value_name = "RELEASE", value_parser = names::release)]
    pub(crate) release: String,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}
