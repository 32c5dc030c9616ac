//! A journal run again: the states of this version, in the world that the journal tells of.
//!
//! Every record that the states write is held against the journal's. They stop where the two part, and where the journal ends.

mod recorded;
mod script;

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde::Serialize;

use crate::failure::Failure;
use crate::journal::{Entry, Journalled, RecordKind, fold};
use crate::plan::{Plan, StepBack};
use crate::ports::Ports;
use crate::release::{ApplyMethod, HelmInfo, ReleaseStatus, RevisionSummary};
use crate::report::StateName;
use crate::request::{Override, Request};
use recorded::RecordedWorld;
use script::Script;

/// A journal that was run again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replay {
    /// The run.
    pub run_id: String,
    /// The records that this version writes, too.
    pub records: Vec<Entry>,
    /// Reason why the replay ends.
    pub end: ReplayEnd,
    /// Point from which the journal cannot be trusted.
    pub gap: Option<String>,
}

/// Reason why a replay ends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ReplayEnd {
    /// The run ended, and this version ends it in the same way.
    Ended {
        /// The state.
        state: StateName,
        /// The exit code.
        exit_code: i32,
    },
    /// The journal ends although the run did not.
    CutOff {
        /// Steps that were about to be done. Whether they were is not recorded.
        open: Vec<String>,
        /// Entry that this version would write next.
        next: Option<Entry>,
    },
    /// This version would do something else.
    Parted {
        /// Entry in the journal.
        journal: Entry,
        /// Entry that this version would write; none where it would do nothing more.
        this_version: Option<Entry>,
    },
}

/// Runs a journal again.
///
/// # Errors
/// `Refused` when it is not the journal of a rollback, or has no record.
pub fn replay(journal: &Journalled) -> Result<Replay, Failure> {
    let state = fold(journal);
    let script = Script::read(journal.entries.clone())?;
    let ports = RecordedWorld::new(script);
    run(&ports, &request(&ports), plan(&ports));
    let written = ports.written();
    let entries = &ports.script.entries;
    let same = entries
        .iter()
        .zip(&written)
        .take_while(|(a, b)| a.is_same_decision(b))
        .count();
    let end = match (entries.get(same), written.get(same)) {
        (Some(journal), this_version) => ReplayEnd::Parted {
            journal: journal.clone(),
            this_version: this_version.cloned(),
        },
        (None, next) => match entries.last().map(|last| (last.state, &last.edge)) {
            Some((state, RecordKind::Finished { exit_code, .. })) => ReplayEnd::Ended {
                state,
                exit_code: *exit_code,
            },
            _ => ReplayEnd::CutOff {
                open: state.open.into_iter().map(|step| step.key).collect(),
                next: next.cloned(),
            },
        },
    };
    Ok(Replay {
        run_id: ports.script.run_id.clone(),
        records: entries[..same].to_vec(),
        end,
        gap: state.gap.map(|gap| gap.to_string()),
    })
}

/// Polls once: every answer is there, so what waits then waits for ever.
fn run(ports: &RecordedWorld, request: &Request, plan: Plan) {
    let ports = Ports {
        releases: ports,
        workloads: ports,
        registry: ports,
        checks: ports,
        lock: ports,
        journal: ports,
        clock: ports,
        interrupt: ports,
        observer: ports,
    };
    let mut running = pin!(crate::run::rollback(&ports, request, plan));
    let mut context = Context::from_waker(Waker::noop());
    // Twice, since an interruption is noticed by whoever waits beside what it interrupts.
    for _ in 0..2 {
        if let Poll::Ready(_report) = running.as_mut().poll(&mut context) {
            return;
        }
    }
}

fn request(ports: &RecordedWorld) -> Request {
    let accept = ports.script.suspended.as_ref().map(|_| Override::SuspendGitOps);
    Request {
        accept: accept.into_iter().collect::<BTreeSet<_>>(),
        ..Request::new(recorded::release(), ports.script.run_id.clone(), "replay")
    }
}

fn plan(ports: &RecordedWorld) -> Plan {
    let script = &ports.script;
    let (target, sha) = script.target();
    let first = script.orders.first().map(|(order, _)| order);
    Plan {
        release: recorded::release(),
        current: RevisionSummary {
            revision: script.current,
            status: ReleaseStatus::Deployed,
            record: String::new(),
        },
        target,
        target_chart: String::new(),
        target_manifest_sha256: if sha.is_empty() {
            format!("of revision {target}")
        } else {
            sha
        },
        target_apply_method: ApplyMethod::ClientSide,
        skipped: Vec::new(),
        diff: Vec::new(),
        hooks: Vec::new(),
        preflight: ports.preflight(),
        helm: HelmInfo::default(),
        client_side: first.is_some_and(|order| order.client_side),
        step_back: first.filter(|order| order.skips_hooks).map(|order| StepBack {
            to: order.to,
            fields: Vec::new(),
        }),
        traffic: script.prior.clone(),
        spares: Vec::new(),
        continues: script.completed.as_ref().map(|_| "an earlier run".to_owned()),
        resumes: None,
        checks: recorded::specs(),
        digest: script.digest.clone(),
    }
}
