//! `status`

use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::ports::Journal;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_engine::resume::unfinished;
use vllm_rollback_report::status::{Status, forgotten_gates, next_steps};

use crate::args::look::LookArgs;
use crate::session::Session;
use crate::ui::Ui;
use crate::wiring::helm::HelmUse;

pub(crate) const EXAMPLES: &str = "\
Examples:
  {p} status llama-2-7b-production
  {p} status llama-2-7b-production -n production -o json";

/// Shows what can be read, and says what cannot.
pub(crate) async fn run(args: LookArgs, ui: &Ui) -> Result<ExitCode, Failure> {
    let session = Session::inspect(ui, &args.site, &args.release, HelmUse::Never).await?;
    let history = session.releases.history().await?;
    let Some(current) = history.last().cloned() else {
        let none = format!("{} has no revision", session.release);
        return Err(Failure::not_found(none).next("helm list --all-namespaces"));
    };
    let (record, memory, traffic, lock, gates) = tokio::join!(
        session.releases.record(current.revision),
        session.journal.load_state(),
        session.registry.read(),
        session.lock_holder(),
        session.closed_gates(),
    );
    let mut unread = PartialReads::default();
    let record = unread.take("the record of the current revision", record);
    let memory = unread.take("what earlier runs left", memory).unwrap_or_default();
    let lock = unread.take("the lock", lock).flatten();
    let traffic = unread.take("the model's traffic state", traffic);
    let gates = unread.take("the gates of its Services", gates).unwrap_or_default();
    let pods = match &record {
        Some(record) => unread.take("the pods", session.workloads.serving_pods(record).await),
        None => None,
    };
    let cut = unfinished(&memory);
    let mut status = Status {
        release: session.release.clone(),
        current,
        chart: record
            .as_ref()
            .map(|record| format!("{}-{}", record.chart, record.chart_version)),
        description: record.map(|record| record.description),
        last_good: session.last_good().await,
        pods: pods.unwrap_or_default(),
        traffic,
        held: memory.held.clone(),
        lock,
        last_run: memory.runs.last().cloned(),
        unfinished: cut.as_ref().map(|cut| cut.sentence()),
        last_words: cut.and_then(|cut| session.journal.last_entry(&cut.run.run_id)),
        warnings: forgotten_gates(&gates, &memory),
        unread: unread.0,
        next: Vec::new(),
    };
    status.next = next_steps(&status, &memory, |verb| session.command(verb));
    session.show(&status)
}

/// Sentences about what could not be read, and why.
#[derive(Debug, Default)]
struct PartialReads(Vec<String>);

impl PartialReads {
    fn take<T>(&mut self, what: &str, result: Result<T, Failure>) -> Option<T> {
        result
            .map_err(|failure| self.0.push(format!("{what} could not be read: {failure}")))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_said_and_not_guessed() {
        let mut unread = PartialReads::default();
        assert_eq!(unread.take("the pods", Ok(1)), Some(1));
        let nothing: Option<u8> = unread.take("the pods", Err(Failure::new(FailureKind::Forbidden, "forbidden")));
        assert_eq!(nothing, None);
        assert_eq!(unread.0, ["the pods could not be read: forbidden"]);
    }
}
