//! A pending current revision: an operation that died, or one that is still alive. Helm's rollback does not look
//! (helm v4.3 `pkg/action/rollback.go`), and two operations at once overwrite each other.

use jiff::Timestamp;

use crate::failure::Failure;
use crate::release::ReleaseRecord;
use crate::request::Override;
use crate::target::choice::TargetQuery;

/// Longest plausible life of somebody's `helm upgrade`: twice Helm's own default timeout.
const FOREIGN_SECONDS: i64 = 600;
/// Longest plausible life of the helm child of one of our runs that died: it waits for nothing but hooks.
const OUR_SECONDS: i64 = 60;

/// Inspects a pending current revision. `is_ours`: one of our runs began it and did not finish.
///
/// # Errors
/// `Refused` when the operation may still be alive and that was not accepted.
pub(super) fn inspect(
    query: &TargetQuery<'_>,
    current: &ReleaseRecord,
    is_ours: bool,
) -> Result<Option<String>, Failure> {
    if !current.status.is_pending() {
        return Ok(None);
    }
    let age = age_seconds(current, query.now);
    let runs_hooks = current.hooks.iter().any(|hook| hook.in_rollback().is_some());
    let limit = if is_ours && !runs_hooks {
        OUR_SECONDS
    } else {
        FOREIGN_SECONDS
    };
    let since = age.map_or_else(|| "since an unknown time".to_owned(), |s| format!("for {s} s"));
    let state = format!("revision {} is {} {since}", current.revision, current.status);
    if age.is_some_and(|age| age >= limit) {
        return Ok(Some(format!(
            "{state}: its operation died or was interrupted, and the rollback takes the release out of it"
        )));
    }
    if query.accept.contains(&Override::PendingCurrent) {
        return Ok(Some(format!("{state}; accepted as dead by --accept-pending")));
    }
    let wait = age.map_or(limit, |age| limit - age.max(0));
    Err(
        Failure::refused(format!("{state}: another Helm operation may still be at work"))
            .because("two operations at once overwrite each other, and Helm's rollback does not look")
            .next(format!(
                "wait for it to end, or {wait} s, and run the same command again"
            ))
            .next(format!(
                "when it is dead for sure: {} --accept-pending",
                query.release.command(query.verb, "")
            )),
    )
}

fn age_seconds(current: &ReleaseRecord, now: &str) -> Option<i64> {
    let began: Timestamp = current.last_deployed.as_deref()?.parse().ok()?;
    let now: Timestamp = now.parse().ok()?;
    Some(now.as_second() - began.as_second())
}
