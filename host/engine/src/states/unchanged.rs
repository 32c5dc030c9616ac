//! unchanged: nothing was changed. The lock is given back, and what was written ahead is taken back.

use crate::context::RunContext;
use crate::failure::FailureKind;
use crate::progress::Progress;
use crate::report::{RunReport, StateName};
use crate::step_error::StepError;

/// Ends a run that changed nothing.
pub(crate) async fn enter(mut run: RunContext<'_>, error: StepError) -> RunReport {
    let exit_code = error.exit_unchanged();
    let step = run.begin(StateName::Unchanged, "giving up without a change", None);
    let mut failure = error.into_failure("interrupted before anything was changed");
    let written_ahead = run.ledger.run_state.held.take();
    run.ledger.take_back();
    if run.progress == Progress::Requested {
        run.ledger.run_state.held = written_ahead;
    }
    run.next = std::mem::take(&mut failure.next);
    if run.next.is_empty() && failure.kind != FailureKind::Usage {
        run.next.push(run.request.release.command("", ""));
    }
    let mut evidence = vec![match &run.suspended {
        None => "nothing was changed".to_owned(),
        Some(owner) => format!("nothing was changed, except that {} may be suspended now", owner.what),
    }];
    if let Some(traffic) = &run.found {
        evidence.push(format!(
            "the registry says {} ({})",
            traffic.status.as_str(),
            traffic.driver
        ));
    }
    run.mark(step, evidence);
    run.close_failed(StateName::Unchanged, exit_code, failure).await
}
