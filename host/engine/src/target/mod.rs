//! Where a run goes: the last good revision, or the one that the operator named.
//!
//! ```text
//! revision     1 good   2 bad   3 = rollback to 1   4 bad (current)
//! last good                         ↑ chosen: not failed, nobody rolled back from it, differs from 4
//!
//! revision     1 good   2 bad   3 = rollback to 1 (current)
//! last good    1 is what runs already, 2 is what 3 rolled back from: refused, never back to 2
//! ```

mod choice;
mod pending;
mod refusal;
mod revision_history;

use crate::failure::Failure;
use crate::journal::RunState;
use crate::plan::Skipped;
use crate::ports::Releases;
use crate::release::{ReleaseRecord, ReleaseStatus, Revision};
use crate::request::{Override, RollbackTarget};
use crate::resume::earlier;
pub use choice::{ResolvedTarget, TargetQuery};
use revision_history::RevisionHistory;

/// Chooses. Reads records one after the other, from the newest down, and no more than it needs.
///
/// # Errors
/// `Refused` when no revision is good or the named one is known to be bad, each reason said; `NotFound` when the named
/// one does not exist; and what [`Releases`] fails with.
pub async fn choose(
    releases: &dyn Releases,
    run_state: &RunState,
    query: &TargetQuery<'_>,
) -> Result<ResolvedTarget, Failure> {
    let history = releases.history().await?;
    let mut past = RevisionHistory::new(releases, history);
    let Some(newest) = past.summaries.last().cloned() else {
        return Err(Failure::not_found(format!("{} has no revision", query.release)));
    };
    // The usual answer is the revision below the current one, so both are read at once.
    let two: Vec<_> = past.summaries.iter().rev().take(2).map(|s| s.revision).collect();
    past.read(two).await;
    let current = past.record(newest.revision).await?;
    past.read_return(current.revision).await;
    if matches!(newest.status, ReleaseStatus::Uninstalled | ReleaseStatus::Uninstalling) {
        return Err(refusal::uninstalled(query.release, &newest));
    }
    let mut notes = Vec::new();
    let returned_to = past.returned_to(current.revision);
    let is_ours = earlier::was_started(run_state, &current, returned_to);
    notes.extend(pending::inspect(query, &current, is_ours)?);

    let continued = earlier::completed(run_state, &current, returned_to)
        .filter(|c| past.summary(c.target).is_some())
        .filter(|c| query.target == RollbackTarget::LastGood || query.target == RollbackTarget::Exact(c.target));
    let (target, skipped) = match (&continued, query.target) {
        (Some(continued), _) => {
            notes.push(format!(
                "revision {} is the rollback to revision {} that run {} began: Helm is not run again",
                current.revision, continued.target, continued.run_id
            ));
            (past.record(continued.target).await?, Vec::new())
        }
        (None, RollbackTarget::LastGood) => last_good(&mut past, run_state, query, &current).await?,
        (None, RollbackTarget::Exact(revision)) => {
            let target = exact(&mut past, run_state, query, revision, &mut notes).await?;
            (target, Vec::new())
        }
    };
    if continued.is_none() && target.manifest_sha256 == current.manifest_sha256 {
        notes.push(format!(
            "revision {} has the manifest of the current revision {}: it is applied again",
            target.revision, current.revision
        ));
    }
    let applied = last_applied(&mut past, &current, &target).await;
    Ok(ResolvedTarget {
        newest,
        current,
        target,
        skipped,
        notes,
        continued,
        returned_to,
        applied,
    })
}

async fn last_good(
    past: &mut RevisionHistory<'_>,
    run_state: &RunState,
    query: &TargetQuery<'_>,
    current: &ReleaseRecord,
) -> Result<(ReleaseRecord, Vec<Skipped>), Failure> {
    let mut skipped = Vec::new();
    for candidate in past.below(current.revision) {
        let record = past
            .record(candidate.revision)
            .await
            .map_err(|failure| refusal::unreadable(query.release, &candidate, failure))?;
        past.read_return(candidate.revision).await;
        let reason = past
            .known_bad(&candidate, run_state)
            .or_else(|| changes_nothing(past, current, &record));
        match reason {
            None => return Ok((record, skipped)),
            Some(reason) => skipped.push(Skipped {
                revision: candidate.revision,
                reason,
            }),
        }
    }
    Err(refusal::none_left(query.release, past, current, &skipped, run_state))
}

/// The revision that was live before the current one's operation was cut off or failed. `superseded` alone is no proof
/// (a rollback that fails marks the revision before it so), which is why a `deployed` one comes first.
async fn last_applied(
    past: &mut RevisionHistory<'_>,
    current: &ReleaseRecord,
    target: &ReleaseRecord,
) -> Option<ReleaseRecord> {
    if current.status == ReleaseStatus::Deployed {
        return None;
    }
    let below = past.below(current.revision);
    let with = |status| below.iter().find(|summary| summary.status == status);
    let applied = with(ReleaseStatus::Deployed).or_else(|| with(ReleaseStatus::Superseded))?;
    // One that cannot be read can be no step on the way either: then what it leaves behind is found afterwards.
    let record = past.record(applied.revision).await.ok()?;
    let is_known_to_helm = [current, target]
        .iter()
        .any(|known| known.manifest_sha256 == record.manifest_sha256);
    (!is_known_to_helm).then_some(record)
}

/// Going to a revision with the current manifest helps only where the current one is a rollback to it that did not end.
fn changes_nothing(past: &RevisionHistory<'_>, current: &ReleaseRecord, candidate: &ReleaseRecord) -> Option<String> {
    let same = candidate.manifest_sha256 == current.manifest_sha256;
    let has_failed = current.status == ReleaseStatus::Failed || current.status.is_pending();
    let is_unfinished_return = has_failed && past.returned_to(current.revision).is_some();
    (same && !is_unfinished_return).then(|| format!("same manifest as the current revision {}", current.revision))
}

async fn exact(
    past: &mut RevisionHistory<'_>,
    run_state: &RunState,
    query: &TargetQuery<'_>,
    revision: Revision,
    notes: &mut Vec<String>,
) -> Result<ReleaseRecord, Failure> {
    let Some(summary) = past.summary(revision).cloned() else {
        return Err(refusal::absent(query.release, &past.summaries, revision));
    };
    let target = past.record(revision).await?;
    let newer = past.summaries.iter().map(|s| s.revision).filter(|r| *r > revision);
    let newer: Vec<_> = newer.collect();
    past.read(newer).await;
    if let Some(reason) = past.known_bad(&summary, run_state) {
        if !query.accept.contains(&Override::BadTarget) {
            return Err(refusal::bad_target(query.release, revision, &reason));
        }
        notes.push(format!(
            "revision {revision} is accepted as the target although {reason}"
        ));
    }
    Ok(target)
}
