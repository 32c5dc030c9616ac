//! done: the target serves as the bad revision did before, reported and unlocked.

use crate::context::RunContext;
use crate::report::{ExitCode, RunReport, StateName};
use crate::states::locked::Baseline;

/// Clears what was remembered for the case of a cut, and ends the run.
pub(crate) async fn enter(mut run: RunContext<'_>, baseline: &Baseline) -> RunReport {
    let step = run.begin(StateName::Done, "writing the result down", None);
    run.ledger.run_state.held = None;
    // It proved itself, whatever was said of it before.
    let proved = &baseline.target.manifest_sha256;
    run.ledger
        .run_state
        .rejected
        .retain(|rejected| rejected.manifest_sha256 != *proved);
    match run.ports.registry.read().await {
        Ok(now) => run.saw_traffic(Some(&now)),
        Err(failure) => {
            run.saw_traffic(None);
            run.warn(format!("the registry could not be read once more: {failure}"));
        }
    }
    for line in run.ports.registry.post_run_notes().await {
        run.note(line);
    }
    let word = baseline.prior.status.as_str();
    let line = format!(
        "revision {} serves again in place of revision {}; the model is {word}, as before",
        baseline.target.revision, baseline.left
    );
    run.next.push(run.request.release.command("status", ""));
    run.mark(step, vec![line.clone()]);
    run.close(StateName::Done, ExitCode::Success, line).await
}
