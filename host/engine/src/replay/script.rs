//! What a journal says of the world that its run met.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{Failure, FailureKind};
use crate::journal::{Entry, RecordKind};
use crate::release::{Revision, RollbackOrder};
use crate::report::StateName;
use crate::traffic::{TrafficState, TrafficStatus};
use crate::workload::GitOpsOwner;

/// End of a step of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The step was done, as far as the journal goes.
    Done,
    /// The step failed.
    Failed(Failure),
    /// The operator asked to stop meanwhile.
    Interrupted,
}

/// Answers that the run got, as its journal tells them.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) entries: Vec<Entry>,
    pub(super) run_id: String,
    /// The digest of the plan that was carried out.
    pub(super) digest: String,
    /// Orders to Helm, each with the SHA-256 of the manifest that it went to.
    pub(super) orders: Vec<(RollbackOrder, String)>,
    /// The newest revision when the lock was taken.
    pub(super) current: Revision,
    /// Helm's part had been done by an earlier run: where that one went, and the manifest.
    pub(super) completed: Option<(Revision, String)>,
    /// Traffic that was to be restored.
    pub(super) prior: TrafficState,
    /// The GitOps controller that was suspended.
    pub(super) suspended: Option<GitOpsOwner>,
    /// The exit code and why, when it ended.
    end: Option<(i32, String)>,
}

impl Script {
    /// Reads it out of the records of a rollback or of a run that resumed one.
    ///
    /// # Errors
    /// `Refused` for the journal of another verb, and for one without a record.
    pub(super) fn read(entries: Vec<Entry>) -> Result<Self, Failure> {
        let first = entries
            .first()
            .ok_or_else(|| Failure::refused("the journal has no record that can be read"))?;
        let key = intents(&entries).next().map_or("", |(_, key, _)| key);
        let Some(digest) = key.strip_prefix("plan ") else {
            return Err(
                Failure::refused(format!("only runs that roll back are replayed; this one did \"{key}\""))
                    .because("it is the journal of abort, registry or unlock"),
            );
        };
        let orders: Vec<_> = intents(&entries).filter_map(order).collect();
        let completed = if orders.is_empty() {
            seen_rolled_back(&entries)
        } else {
            None
        };
        let current = match (orders.first(), &completed) {
            (Some((order, _)), _) => order.from,
            (None, Some((made, _, _))) => *made,
            (None, None) => still_newest(&entries).unwrap_or(Revision(2)),
        };
        let prior = intents(&entries).find_map(|(_, _, data)| part(data, "prior"));
        let suspended = intents(&entries).find_map(|(_, _, data)| part(data, "gitops"));
        let end = entries.iter().find_map(|entry| match &entry.edge {
            RecordKind::Finished { exit_code, summary } => Some((*exit_code, summary.clone())),
            _ => None,
        });
        Ok(Self {
            run_id: first.run_id.clone(),
            digest: digest.to_owned(),
            orders,
            current,
            completed: completed.map(|(_, to, sha)| (to, sha)),
            prior: prior.unwrap_or_else(enabled),
            suspended,
            end,
            entries,
        })
    }

    /// Returns the revision that the run went to, with the digest of its manifest.
    pub(super) fn target(&self) -> (Revision, String) {
        let ordered = self.orders.last().map(|(order, sha)| (order.to, sha.clone()));
        ordered
            .or_else(|| self.completed.clone())
            .unwrap_or_else(|| (Revision(self.current.0.saturating_sub(1).max(1)), String::new()))
    }

    /// Returns the end of a step towards this state, once it was begun.
    pub(super) fn ending(&self, state: StateName) -> Ending {
        let of_state = || self.entries.iter().filter(move |entry| entry.state == state);
        let is_reached = of_state().any(|entry| matches!(entry.edge, RecordKind::Observed { .. }));
        let is_begun = of_state().any(|entry| matches!(entry.edge, RecordKind::Intent { .. }));
        match &self.end {
            Some((_, summary)) if is_begun && !is_reached => match summary.starts_with("interrupted") {
                true => Ending::Interrupted,
                false => Ending::Failed(Failure::external(summary.clone())),
            },
            _ => Ending::Done,
        }
    }

    /// The exit code of the run, when it ended.
    pub(super) fn exit_code(&self) -> Option<i32> {
        self.end.as_ref().map(|(code, _)| *code)
    }

    /// Ending of the run between two steps, once nothing but its end is left of the journal behind so many records.
    pub(super) fn ending_between_steps(&self, replayed: usize) -> Ending {
        let (Some((code, summary)), [.., last, end]) = (&self.end, self.entries.as_slice()) else {
            return Ending::Done;
        };
        let is_open = matches!(last.edge, RecordKind::Intent { .. });
        let failed = |kind| Ending::Failed(Failure::new(kind, summary.clone()));
        match code {
            _ if replayed + 1 < self.entries.len() => Ending::Done,
            // A step that was written down and not begun.
            _ if is_open && end.state == StateName::Unchanged => Ending::Interrupted,
            _ if is_open => Ending::Done,
            0 => Ending::Done,
            _ if summary.starts_with("interrupted") => Ending::Interrupted,
            12 | 13 => failed(FailureKind::Locked),
            _ => failed(FailureKind::External),
        }
    }
}

fn intents(entries: &[Entry]) -> impl Iterator<Item = (StateName, &str, &Value)> {
    entries.iter().filter_map(|entry| match &entry.edge {
        RecordKind::Intent { key, data } => Some((entry.state, key.as_str(), data)),
        _ => None,
    })
}

fn order((_, key, data): (StateName, &str, &Value)) -> Option<(RollbackOrder, String)> {
    let (_, sha) = key.rsplit_once("sha256:")?;
    Some((part(data, "order")?, sha.to_owned()))
}

fn part<T: DeserializeOwned>(data: &Value, name: &str) -> Option<T> {
    serde_json::from_value(data.get(name)?.clone()).ok()
}

/// `revision 3 is deployed with the manifest of revision 1, sha256:…`.
fn seen_rolled_back(entries: &[Entry]) -> Option<(Revision, Revision, String)> {
    evidence(entries, StateName::RolledBack).find_map(|line| {
        let (made, rest) = line.strip_prefix("revision ")?.split_once(' ')?;
        let (to, sha) = rest.split_once("manifest of revision ")?.1.split_once(", sha256:")?;
        Some((Revision(made.parse().ok()?), Revision(to.parse().ok()?), sha.to_owned()))
    })
}

/// `revision 2 is still the newest, …`.
fn still_newest(entries: &[Entry]) -> Option<Revision> {
    evidence(entries, StateName::Locked).find_map(|line| {
        let (number, _) = line.strip_prefix("revision ")?.split_once(" is still the newest")?;
        Some(Revision(number.parse().ok()?))
    })
}

fn evidence(entries: &[Entry], state: StateName) -> impl Iterator<Item = &String> {
    entries
        .iter()
        .filter(move |entry| entry.state == state)
        .filter_map(|entry| match &entry.edge {
            RecordKind::Observed { evidence } => Some(evidence),
            _ => None,
        })
        .flatten()
}

fn enabled() -> TrafficState {
    TrafficState {
        driver: "service".to_owned(),
        status: TrafficStatus::Enabled,
        token: Value::Null,
        endpoint: None,
        evidence: Vec::new(),
    }
}
