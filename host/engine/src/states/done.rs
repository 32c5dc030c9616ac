//! done: the target serves as the bad revision did before, reported and unlocked.

use crate::report::{ExitCode, RunReport, StateName};
use crate::run::Run;
use crate::states::locked::Basis;

/// Clears what was remembered for the case of a cut, and ends the run.
pub(crate) async fn enter(mut run: Run<'_>, basis: &Basis) -> RunReport {
    let step = run.begin(StateName::Done, "writing the result down", None);
    run.memory.held = None;
    // It proved itself, whatever was said of it before.
    let proved = &basis.target.manifest_sha256;
    run.memory
        .rejected
        .retain(|rejected| rejected.manifest_sha256 != *proved);
    match run.world.registry.read().await {
        Ok(now) => run.report.traffic_after = Some(now),
        Err(failure) => {
            run.report.traffic_after = None;
            run.warn(format!("the registry could not be read once more: {failure}"));
        }
    }
    for line in run.world.registry.afterwards().await {
        run.note(line);
    }
    let word = basis.prior.status.word();
    let line = format!(
        "revision {} serves again in place of revision {}; the model is {word}, as before",
        basis.target.revision, basis.left
    );
    run.report.next.push(run.request.release.command("status", ""));
    run.mark(step, vec![line.clone()]);
    run.close(StateName::Done, ExitCode::Success, line).await
}
