//! evidence: what is known of the bad revision, gathered beside the fence. The fence never waits for it; the rollback
//! does, since it replaces the pods that the evidence is about. The port keeps itself to a few seconds.

use crate::event::Event;
use crate::ports::Ports;
use crate::release::ReleaseRecord;
use crate::step_error::StepError;
use crate::wait::or_interrupted;

/// Place of the evidence, or the reason why it was not kept.
pub(crate) struct Kept {
    pub(crate) artifacts: Vec<String>,
    pub(crate) warning: Option<String>,
}

/// Gathers and keeps. Never an obstacle: what could not be had is a warning.
pub(crate) async fn gather(ports: Ports<'_>, run_id: &str, current: &ReleaseRecord) -> Kept {
    let work = async {
        let items = ports.workloads.evidence(current).await;
        if items.is_empty() {
            return Err(format!("nothing was found to keep of revision {}", current.revision));
        }
        ports.observer.event(Event::Progress {
            text: format!("{} files of evidence of revision {}", items.len(), current.revision),
        });
        let kept = ports.journal.keep(run_id, &items).await;
        kept.map_err(|failure| format!("the evidence could not be kept: {failure}"))
    };
    let result = match or_interrupted(ports.interrupt, work).await {
        Ok(result) => result,
        Err(StepError::Interrupted) => Err("the evidence was cut short: a stop was asked for".to_owned()),
        Err(_) => Err("the evidence was cut short".to_owned()),
    };
    match result {
        Ok(artifacts) => Kept {
            artifacts,
            warning: None,
        },
        Err(warning) => Kept {
            artifacts: Vec::new(),
            warning: Some(warning),
        },
    }
}
