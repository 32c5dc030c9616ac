//! unknown: what is true now could not be observed, or is another run's to say. Nothing more is changed.

use crate::context::RunContext;
use crate::event::Event;
use crate::failure::Failure;
use crate::ledger::WriteAccess;
use crate::progress::Progress;
use crate::report::{ExitCode, RunReport, StateName};
use crate::write_ahead::one_line;

/// Says loudly what is not known, and leaves in the memory what must be given back.
pub(crate) async fn enter(mut run: RunContext<'_>, mut failure: Failure) -> RunReport {
    let step = run.begin(StateName::Unknown, "saying what is not known", None);
    let release = &run.request.release;
    let known = match run.progress {
        Progress::Unfenced { .. } => "the model may be in traffic although it is not proved to work",
        Progress::Fenced { is_proved: true, .. } => "the model was last proved to be out of traffic",
        _ => "whether the model is in traffic is not known",
    };
    let line = if run.ledger.access == WriteAccess::Lost {
        format!("the lock was lost, so this run stopped changing things; {known}")
    } else {
        known.to_owned()
    };
    if let Some(held) = &mut run.ledger.run_state.held {
        held.reason = one_line(&failure.to_string());
    }
    run.emit(Event::Warning { text: line.clone() });
    let mut next = vec![
        release.command("registry status", ""),
        release.hint("take it out of traffic", "registry disable"),
        release.hint("continue from what is there", "resume"),
        release.hint("or end the run in a safe state", "abort"),
    ];
    next.extend(
        std::mem::take(&mut failure.next)
            .into_iter()
            .filter(|step| *step != release.command("", "")),
    );
    run.next = next;
    run.write(|report| report.notes.push(line.clone()));
    run.mark(step, vec![line]);
    run.close_failed(StateName::Unknown, ExitCode::Unknown, failure).await
}
