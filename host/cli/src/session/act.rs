//! Actions of verbs in a session: work under the terminal's clock, ask first, report at the end.

use std::future::Future;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::{ExitCode, RunReport};
use vllm_rollback_report::document::Document;
use vllm_rollback_report::run::ReportKind;

use crate::args::change::Confirmation;
use crate::session::Session;
use crate::ui::with_ticker;
use crate::{panics, prompt};

impl Session {
    /// Prints a result.
    ///
    /// # Errors
    /// When it cannot be written in the format asked for.
    pub(crate) fn show(&self, document: &impl Document) -> Result<ExitCode, Failure> {
        self.terminal.clear();
        self.ui.show(document)?;
        Ok(ExitCode::Success)
    }

    /// Waits for `work` and prints its report.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub(crate) async fn report(
        &self,
        kind: ReportKind,
        work: impl Future<Output = RunReport>,
    ) -> Result<ExitCode, Failure> {
        let report = with_ticker(&self.terminal, work).await;
        self.terminal.clear();
        self.ui.report(kind, report)
    }

    /// Waits for `work`, which changes the cluster or the registry, and prints its report.
    ///
    /// # Errors
    /// As [`Self::show`].
    pub(crate) async fn carry_out(
        &self,
        kind: ReportKind,
        work: impl Future<Output = RunReport>,
    ) -> Result<ExitCode, Failure> {
        let marked = async {
            panics::run_begins();
            let report = work.await;
            panics::run_ended();
            report
        };
        self.report(kind, marked).await
    }

    /// Asks, unless the operator said yes in advance.
    ///
    /// # Errors
    /// Refused, as [`prompt::confirm`].
    pub(crate) async fn confirm(&self, question: &str, confirmation: Confirmation) -> Result<(), Failure> {
        if confirmation.given {
            return Ok(());
        }
        let release = match confirmation.revision {
            Some(revision) => format!("{} {revision}", self.release.name),
            None => self.release.name.clone(),
        };
        let typed = self
            .ui
            .invoked_as
            .command(confirmation.verb, &release, &self.release.namespace);
        self.terminal.clear();
        prompt::confirm(question, &format!("{typed} --yes"), self.interrupt.as_ref()).await
    }
}
