//! A rollback in a session: plan, show or ask, carry out.

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_engine::request::Request;
use vllm_rollback_report::plan;
use vllm_rollback_report::run::ReportKind;

use crate::args::change::Confirmation;
use crate::session::Session;
use crate::signals::or_interrupted;
use crate::ui::with_ticker;

impl Session {
    /// Shows what a rollback would do, and what seems to send the release traffic.
    ///
    /// # Errors
    /// When there is no plan.
    pub(crate) async fn show_plan(&self, request: &Request) -> Result<ExitCode, Failure> {
        let ports = self.ports();
        let planning = async {
            let mut plan = vllm_rollback_engine::plan(&ports, request).await?;
            vllm_rollback_engine::validate_retained(&ports, request, &mut plan).await?;
            Ok::<_, Failure>(plan)
        };
        let looking = async { tokio::join!(planning, self.routing()) };
        let (plan, routing) = with_ticker(&self.terminal, looking).await;
        self.terminal.clear();
        let mut plan = plan?;
        plan.preflight.findings.extend(routing);
        self.show(&plan)?;
        match vllm_rollback_engine::refusal(&plan) {
            None => Ok(ExitCode::Success),
            Some(failure) => Ok(self.ui.explain(&failure, Some("nothing was changed"))),
        }
    }

    /// Plans, asks, carries the plan out, reports.
    ///
    /// # Errors
    /// When there is no plan, or no yes.
    pub(crate) async fn roll_back(
        &self,
        mut request: Request,
        confirmation: Confirmation,
    ) -> Result<ExitCode, Failure> {
        let ports = self.ports();
        let planning = or_interrupted(self.interrupt.as_ref(), vllm_rollback_engine::plan(&ports, &request));
        let plan = with_ticker(&self.terminal, planning).await?;
        request.planning = self.ui.age();
        // A plan that is refused needs no answer: the report says why.
        if !confirmation.given && vllm_rollback_engine::refusal(&plan).is_none() {
            self.terminal.clear();
            self.ui.emit(&plan::summary(&plan, self.ui.glyphs));
            let (release, current, target) = (&plan.release, plan.current.revision, plan.target);
            let question = format!("Roll {release} back from revision {current} to {target}?");
            self.confirm(&question, confirmation).await?;
        }
        let work = vllm_rollback_engine::rollback(&ports, &request, plan);
        self.carry_out(ReportKind::Rollback, work).await
    }
}
