//! A defect of this tool still ends in one clear error and an honest exit code.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;

use crate::ui::Ui;

static RUN_IN_PROGRESS: AtomicBool = AtomicBool::new(false);

/// From here on the cluster or the registry may have been changed.
pub(crate) fn run_begins() {
    RUN_IN_PROGRESS.store(true, Ordering::SeqCst);
}

/// The run ended and was reported.
pub(crate) fn run_ended() {
    RUN_IN_PROGRESS.store(false, Ordering::SeqCst);
}

/// Runs `body`; a panic becomes an error text and an exit code.
pub(crate) fn guarded(ui: &Ui, body: impl FnOnce() -> i32) -> i32 {
    let speaker = ui.clone();
    panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let what = info.payload_as_str().unwrap_or("no message").to_owned();
        let (state, _) = standing();
        let failure = Failure::internal("internal error: this is a defect of the tool")
            .because(format!("{what} ({place})"))
            .next(format!(
                "{} status RELEASE shows what is true now",
                speaker.invoked_as.name()
            ));
        speaker.explain(&failure, Some(state));
    }));
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| standing().1.number())
}

/// State and exit code to report when the tool breaks off now.
fn standing() -> (&'static str, ExitCode) {
    if RUN_IN_PROGRESS.load(Ordering::SeqCst) {
        ("unknown: a run was in progress", ExitCode::Unknown)
    } else {
        ("nothing was changed", ExitCode::Refused)
    }
}
