//! `history`

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Journal;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::history::{History, rows};

use crate::args::look::LookArgs;
use crate::session::Session;
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;

pub(crate) const EXAMPLES: &str = "\
Examples:
  {p} history llama-2-7b-production
  {p} history llama-2-7b-production -n production -o json";

/// Shows the revisions.
pub(crate) async fn run(args: LookArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let session = Session::inspect(ui, &args.site, &args.release, HelmUse::Never).await?;
    let (summaries, memory) = tokio::try_join!(session.releases.history(), session.journal.load_state())?;
    let mut revisions = Vec::new();
    for summary in summaries {
        let record = session.releases.record(summary.revision).await;
        revisions.push((summary, record));
    }
    let last_good = session.last_good().await;
    let goes_to = last_good.map(|good| format!("{}    # goes to revision {good}", session.command("plan")));
    session.show(&History {
        release: session.release.clone(),
        last_good,
        revisions: rows(&revisions, &memory, last_good),
        next: goes_to.into_iter().collect(),
    })
}
