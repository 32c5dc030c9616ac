//! evidence: what is known of the bad revision, gathered beside the fence. The fence never waits for it; the rollback
//! does, since it replaces the pods that the evidence is about. The port keeps itself to a few seconds.

use crate::event::Event;
use crate::ports::Ports;
use crate::release::ReleaseRecord;
use crate::wait::or_interrupted;

/// Gathers and keeps. The places of what was kept, else a warning: never an obstacle.
pub(crate) async fn gather(ports: Ports<'_>, run_id: &str, current: &ReleaseRecord) -> Result<Vec<String>, String> {
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
    let gathered = or_interrupted(ports.interrupt, work).await;
    gathered.unwrap_or_else(|_| Err("the evidence was cut short: a stop was asked for".to_owned()))
}
