//! `replay`

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::replay::{ReplayEnd, replay};
use vllm_rollback_engine::report::ExitCode;

use crate::args::output::OutputArgs;
use crate::journal::record;
use crate::ui::Ui;

const EXAMPLES: &str = "\
Examples:
  {p} replay ~/.local/state/vllm-rollback/CLUSTER/NAMESPACE/RELEASE/RUN.jsonl
  {p} replay RUN.jsonl -o json

It needs no cluster. Exit code 0: this version takes the same steps as the journal.
1: it would do something else, or the journal is damaged.";

/// Longest journal that is read.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// `replay`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// The journal of a run, as it is kept on the machine that ran it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Runs a journal again through the states of this version, and shows where they go.
pub(crate) fn run(args: &ReplayArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let journal = record::read(&read(&args.file)?);
    let replay = replay(&journal)?;
    ui.show(&replay)?;
    let goes_on = !matches!(replay.end, ReplayEnd::Parted { .. }) && replay.gap.is_none();
    Ok(if goes_on { ExitCode::Success } else { ExitCode::Refused })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |kind| Failure::new(kind, format!("cannot read the journal {}", path.display()));
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(FailureKind::NotFound).caused_by(&error))?;
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut text)
        .map_err(|error| unreadable(FailureKind::External).caused_by(&error))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(unreadable(FailureKind::Invalid).because(format!("it is longer than {MAX_BYTES} bytes")));
    }
    Ok(text)
}
