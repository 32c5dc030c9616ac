//! `abort`

use std::sync::Arc;

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_report::look::Mark;
use vllm_rollback_report::run::Of;

use crate::args::change::ChangeArgs;
use crate::shell::{Shell, ticking};
use crate::signals::Signals;
use crate::wiring::helm::HelmUse;
use crate::wiring::site::Site;
use crate::{panics, prompt};

pub(crate) const EXAMPLES: &str = "\
Examples:
  {p} abort llama-2-7b-production --reason \"going forward instead\"
  {p} abort llama-2-7b-production -n production --yes

The model ends as it was when the run had not touched it, else out of traffic: abort lets nothing into traffic.
Exit codes: 0 the run is ended; 1 no run is unfinished; 12 a run is at work; 13 the end could not be proved.";

/// Ends the run that was cut off, in a safe state.
pub(crate) async fn run(args: ChangeArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    let terminal = Arc::new(shell.terminal());
    let speaker = Arc::clone(&terminal);
    let signals = Signals::listen(move |text| speaker.say(Mark::Attention, text))?;
    let connection = args.site.connection.clone().with_helm(shell.program, &shell.env);
    let opening = Site::open(shell, &args.site, connection, &args.release, &terminal, HelmUse::Never);
    let site = signals.unless_asked(opening).await?;
    let mut request = site.request(None);
    request.reason = args.reason;
    if !args.yes {
        let release = &site.release;
        let question =
            format!("End the unfinished run on {release}, and keep the model out of traffic if it was touched?");
        let with_yes = shell.program.command("abort", &release.name, &release.namespace) + " --yes";
        prompt::confirm(&question, &with_yes, &signals).await?;
    }
    let world = site.world(&signals, terminal.as_ref());
    panics::run_begins();
    let report = ticking(&terminal, vllm_rollback_engine::abort(&world, &request)).await;
    panics::run_ended();
    terminal.clear();
    shell.report(Of::Abort, report)
}
