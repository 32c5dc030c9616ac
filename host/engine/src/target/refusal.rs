//! Why there is no target, and what helps instead.

use crate::failure::Failure;
use crate::journal::RunState;
use crate::plan::Skipped;
use crate::release::{ReleaseRecord, ReleaseRef, Revision, RevisionSummary};
use crate::target::revision_history::RevisionHistory;

/// The release is gone or going.
pub(super) fn uninstalled(release: &ReleaseRef, newest: &RevisionSummary) -> Failure {
    Failure::refused(format!(
        "{release} is {}: nothing serves that could be rolled back",
        newest.status
    ))
    .next(format!(
        "bring it back with Helm first: helm rollback {} REVISION -n {}",
        release.name, release.namespace
    ))
    .next(release.command("history", ""))
}

/// A record on the way down cannot be read, so it is not known what it rolled back from.
pub(super) fn unreadable(release: &ReleaseRef, candidate: &RevisionSummary, failure: Failure) -> Failure {
    let step = format!(
        "name the revision to go to yourself: {}",
        release.command("", "REVISION")
    );
    failure
        .because(format!(
            "whether revision {} is good, or says of others that they are not, cannot be known",
            candidate.revision
        ))
        .next(step)
        .next(release.command("history", ""))
}

/// The named revision does not exist.
pub(super) fn absent(release: &ReleaseRef, summaries: &[RevisionSummary], revision: Revision) -> Failure {
    let failure = Failure::not_found(format!("{release} has no revision {revision}"))
        .because(format!("it has {}", numbers(summaries)));
    let is_pruned = summaries.first().is_some_and(|oldest| revision < oldest.revision);
    let failure = if is_pruned {
        failure.because("Helm pruned the older ones: it keeps at most --history-max revisions, 10 by default")
    } else {
        failure
    };
    failure
        .next(release.command("history", ""))
        .next(release.command("", ""))
}

/// The named revision is known to be bad.
pub(super) fn bad_target(release: &ReleaseRef, revision: Revision, reason: &str) -> Failure {
    Failure::refused(format!("revision {revision} of {release} is known to be bad"))
        .because(reason)
        .next(release.hint("to the last good one", ""))
        .next(format!(
            "to it all the same: {} --to-rejected",
            release.command("", &revision.to_string())
        ))
}

/// Every older revision was passed over, or there is none.
pub(super) fn none_left(
    release: &ReleaseRef,
    past: &RevisionHistory<'_>,
    current: &ReleaseRecord,
    skipped: &[Skipped],
    run_state: &RunState,
) -> Failure {
    let mut failure = Failure::refused(what(release, past, current, skipped));
    for one in skipped {
        failure = failure.because(format!("revision {}: {}", one.revision, one.reason));
    }
    failure = failure.next(release.hint("to check what runs now", "validate"));
    if run_state.held.is_some() {
        let again = current.revision.to_string();
        failure = failure.next(format!(
            "to apply and check the current revision again: {}",
            release.command("", &again)
        ));
    }
    failure = failure.next(format!(
        "to fix forward: helm upgrade {} CHART -n {}",
        release.name, release.namespace
    ));
    if let Some(one) = skipped.first() {
        failure = failure.next(format!(
            "to go to one of these all the same, name it: {} --to-rejected",
            release.command("", &one.revision.to_string())
        ));
    }
    failure
}

fn what(release: &ReleaseRef, past: &RevisionHistory<'_>, current: &ReleaseRecord, skipped: &[Skipped]) -> String {
    let now = current.revision;
    if skipped.is_empty() {
        return if now == Revision(1) {
            format!("revision 1 of {release} is the first: there is nothing to go back to")
        } else {
            format!("revision {now} is the only one of {release} that Helm kept: there is nothing to go back to")
        };
    }
    match past.returned_to(now) {
        Some(to) => format!(
            "{release} already runs revision {to}'s manifest (revision {now} rolled back to it), and no other revision is good"
        ),
        None => format!("no older revision of {release} is good"),
    }
}

/// `1, 2, 4`.
fn numbers(summaries: &[RevisionSummary]) -> String {
    let numbers: Vec<_> = summaries.iter().map(|s| s.revision.to_string()).collect();
    numbers.join(", ")
}
