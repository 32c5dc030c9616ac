//! unchanged: nothing was changed. The lock is given back, and what was written ahead is taken back.

use crate::failure::FailureKind;
use crate::report::{RunReport, StateName};
use crate::run::Run;
use crate::setback::Setback;

/// Ends a run that changed nothing.
pub(crate) async fn enter(mut run: Run<'_>, setback: Setback) -> RunReport {
    let exit_code = setback.exit_unchanged();
    let step = run.begin(StateName::Unchanged, "giving up without a change", None);
    let mut failure = setback.into_failure("interrupted before anything was changed");
    let written_ahead = run.memory.held.take();
    run.memory = run.memory_before.clone();
    if run.keeps_write_ahead {
        run.memory.held = written_ahead;
    }
    run.report.next = std::mem::take(&mut failure.next);
    if run.report.next.is_empty() && failure.kind != FailureKind::Usage {
        run.report.next.push(run.request.release.command("", ""));
    }
    let mut evidence = vec![match &run.suspended {
        None => "nothing was changed".to_owned(),
        Some(owner) => format!("nothing was changed, except that {} may be suspended now", owner.what),
    }];
    if let Some(traffic) = &run.report.traffic_after {
        evidence.push(format!(
            "the registry says {} ({})",
            traffic.status.word(),
            traffic.driver
        ));
    }
    let line = failure.to_string();
    run.report.failure = Some(failure);
    run.mark(step, evidence);
    run.close(StateName::Unchanged, exit_code, line).await
}
