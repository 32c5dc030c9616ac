//! `abort`

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::run::ReportKind;

use crate::args::change::ChangeArgs;
use crate::session::Session;
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;

pub(crate) const EXAMPLES: &str = "\
Examples:
  {p} abort llama-2-7b-production --reason \"going forward instead\"
  {p} abort llama-2-7b-production -n production --yes

The model ends as it was when the run had not touched it, else out of traffic: abort lets nothing into traffic.
Exit codes: 0 the run is ended; 1 no run is unfinished; 12 a run is at work; 13 the end could not be proved.";

/// Ends the run that was cut off, in a safe state.
pub(crate) async fn run(args: ChangeArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let confirmation = args.confirmation("abort");
    let session = Session::change(ui, &args.site, &args.release, HelmUse::Never).await?;
    let request = session.request(args.reason);
    let question = format!(
        "End the unfinished run on {}, and keep the model out of traffic if it was touched?",
        session.release
    );
    session.confirm(&question, confirmation).await?;
    let ports = session.ports();
    session
        .carry_out(ReportKind::Abort, vllm_rollback_engine::abort(&ports, &request))
        .await
}
