//! `status`

use clap::Args;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::journal::{Held, Memory};
use vllm_rollback_engine::ports::Journal;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_engine::resume::unfinished;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_engine::workload::ServingPod;
use vllm_rollback_report::status::Status;

use crate::args::site::SiteArgs;
use crate::names;
use crate::session::Session;
use crate::shell::Shell;
use crate::wiring::helm::HelmUse;

const EXAMPLES: &str = "\
Examples:
  {p} status llama-2-7b-production
  {p} status llama-2-7b-production -n production -o json";

/// `status`
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    /// Helm release of the model
    #[arg(value_name = "RELEASE", value_parser = names::release)]
    pub(crate) release: String,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
}

/// Shows what can be read, and says what cannot.
pub(crate) async fn run(args: StatusArgs, shell: &Shell) -> Result<ExitCode, Failure> {
    let site = Session::look(shell, &args.site, &args.release, HelmUse::Never).await?;
    let history = site.releases.history().await?;
    let Some(current) = history.last().cloned() else {
        return Err(Failure::new(
            vllm_rollback_engine::failure::FailureKind::NotFound,
            format!("{} has no revision", site.release),
        )
        .next("helm list --all-namespaces"));
    };
    let mut unread = Unread::default();
    let (record, memory, traffic, lock, gates) = tokio::join!(
        site.releases.record(current.revision),
        site.journal.memory(),
        site.registry.read(),
        site.lock_holder(),
        site.closed_gates(),
    );
    let record = unread.or("the record of the current revision", record);
    let memory = unread.or("what earlier runs left", memory).unwrap_or_default();
    let lock = unread.or("the lock", lock).flatten();
    let traffic = unread.or("the model's place in traffic", traffic);
    let gates = unread.or("the gates of its Services", gates).unwrap_or_default();
    let forgotten = forgotten(&gates, &memory);
    let mut pods = Vec::new();
    if let Some(record) = &record {
        pods = unread
            .or("the pods", site.workloads.serving_pods(record).await)
            .unwrap_or_default();
    }
    let last_good = site.last_good().await;
    let status = Status {
        release: site.release.clone(),
        chart: record
            .as_ref()
            .map(|record| format!("{}-{}", record.chart, record.chart_version)),
        description: record.as_ref().map(|record| record.description.clone()),
        last_good,
        next: next(
            shell,
            &site,
            &memory,
            &pods,
            traffic.as_ref().map(|t| &t.status),
            last_good.is_some(),
            !forgotten.is_empty(),
        ),
        warnings: forgotten,
        pods,
        traffic,
        unfinished: unfinished(&memory).map(|cut| cut.sentence()),
        last_words: unfinished(&memory).and_then(|cut| site.journal.last_words(&cut.run.run_id)),
        held: memory.held,
        lock,
        last_run: memory.runs.last().cloned(),
        unread: unread.0,
        current,
    };
    site.show(&status)
}

/// What could not be read, and why.
#[derive(Debug, Default)]
struct Unread(Vec<String>);

impl Unread {
    fn or<T>(&mut self, what: &str, result: Result<T, Failure>) -> Option<T> {
        result
            .map_err(|failure| self.0.push(format!("{what} could not be read: {failure}")))
            .ok()
    }
}

/// The command that helps most, first.
fn next(
    shell: &Shell,
    site: &Session,
    memory: &Memory,
    pods: &[ServingPod],
    traffic: Option<&TrafficStatus>,
    can_go_back: bool,
    has_forgotten_gate: bool,
) -> Vec<String> {
    let command = |verb: &str| shell.program.command(verb, &site.release.name, &site.release.namespace);
    let is_out = traffic.is_some_and(|status| *status != TrafficStatus::Enabled);
    let all_ready = !pods.is_empty() && pods.iter().all(|pod| pod.ready);
    let mut next = Vec::new();
    if unfinished(memory).is_some() {
        next.push(format!("{}    # finishes the run that was cut off", command("resume")));
        next.push(format!("{}    # ends it in a safe state", command("abort")));
        return next;
    }
    // A rollback gives back what a run took away, and not what an operator's hand did.
    let is_held_by_a_run = memory
        .held
        .as_ref()
        .is_some_and(|held| memory.runs.iter().any(|run| run.run_id == held.run_id));
    if is_out && is_held_by_a_run {
        next.push(format!(
            "{}    # brings the model back once it answers",
            command("rollback")
        ));
    }
    if has_forgotten_gate && !is_out {
        next.push(format!(
            "{} --registry service    # opens the gates",
            command("registry enable")
        ));
    }
    if is_out {
        next.push(format!("{}    # does it answer now?", command("validate")));
        next.push(format!(
            "{}    # lets clients reach it as it is",
            command("registry enable")
        ));
    } else if !all_ready && can_go_back {
        next.push(format!("{}    # what a rollback would do", command("plan")));
    } else {
        next.push(format!("{}    # does it answer?", command("validate")));
    }
    next
}

/// Gates that no run and no operator is remembered to hold: somebody closed them by hand, or what was remembered is gone.
fn forgotten(gates: &[(String, String)], memory: &Memory) -> Vec<String> {
    let is_held = |held: &Held| held.prior.driver.split(',').any(|driver| driver == "service");
    if memory.held.as_ref().is_some_and(is_held) {
        return Vec::new();
    }
    let warning = |(service, gate): &(String, String)| {
        format!(
            "the gate of Service/{service} is closed ({gate}), and nothing remembers why: no client comes through it"
        )
    };
    gates.iter().map(warning).collect()
}

#[cfg(test)]
mod tests {
    use vllm_rollback_engine::failure::FailureKind;
    use vllm_rollback_engine::traffic::TrafficState;

    use super::*;

    #[test]
    fn a_closed_gate_that_nobody_remembers_is_told() {
        let gates = [("llama".to_owned(), "closed".to_owned())];
        let held = |driver: &str| Memory {
            held: Some(Held {
                run_id: "run-1".into(),
                since: String::new(),
                reason: String::new(),
                prior: TrafficState {
                    driver: driver.into(),
                    status: TrafficStatus::Enabled,
                    token: serde_json::Value::Null,
                    endpoint: None,
                    evidence: Vec::new(),
                },
            }),
            ..Memory::default()
        };
        assert_eq!(forgotten(&gates, &Memory::default()).len(), 1);
        assert_eq!(forgotten(&gates, &held("postgres")).len(), 1);
        assert_eq!(forgotten(&gates, &held("postgres,service")).len(), 0);
        assert_eq!(forgotten(&[], &Memory::default()).len(), 0);
    }

    #[test]
    fn what_cannot_be_read_is_said_and_not_guessed() {
        let mut unread = Unread::default();
        assert_eq!(unread.or("the pods", Ok(1)), Some(1));
        let nothing: Option<u8> = unread.or("the pods", Err(Failure::new(FailureKind::Forbidden, "forbidden")));
        assert_eq!(nothing, None);
        assert_eq!(unread.0, ["the pods could not be read: forbidden"]);
    }
}
