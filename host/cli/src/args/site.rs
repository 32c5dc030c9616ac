//! The flags that every verb about a release has.

use std::path::PathBuf;

use clap::Args;

use crate::args::checks::ChecksArgs;
use crate::args::connection::ConnectionArgs;
use crate::args::output::OutputArgs;
use crate::args::traffic::TrafficArgs;

/// Flags for where the release is, how its traffic is steered, how it is checked, and what is printed.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SiteArgs {
    /// Configuration [default: $VLLM_ROLLBACK_CONFIG, ./vllm-rollback.yaml, the user's configuration directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) traffic: TrafficArgs,
    #[command(flatten)]
    pub(crate) checks: ChecksArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
