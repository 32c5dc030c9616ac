//! rolled-back: Helm put the target back. What the new record says counts, not how the helm process ended: Helm's
//! exit code is 0 or 1, and 1 does not mean that nothing changed (helm v4.3 `pkg/action/rollback.go`).

use serde_json::json;

use crate::context::{RunContext, Step};
use crate::failure::Failure;
use crate::journal::Rejected;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::release::{Hook, ReleaseRecord, ReleaseStatus, Revision, RollbackOrder, RollbackOutcome, RolledBack};
use crate::report::StateName;
use crate::states::fenced::Fenced;
use crate::states::locked::{Baseline, assert_held};
use crate::step_error::StepError;
use crate::write_ahead::one_line;

/// Longest description that Helm takes (helm v4.3 `pkg/cmd/rollback.go`).
const DESCRIPTION_CHARS: usize = 256;

/// Runs Helm, unless an earlier run did, and reads the new record back. The helm process is never cut short.
pub(crate) async fn enter(
    run: &mut RunContext<'_>,
    plan: &Plan,
    baseline: &Baseline,
    _fenced: &Fenced,
) -> Result<ReleaseRecord, StepError> {
    let deadline = run.request.deadlines.helm;
    if baseline.is_continued {
        let step = run.begin(StateName::RolledBack, "reading the earlier run's rollback back", None);
        run.write(|report| report.new_revision = Some(baseline.current.revision));
        let record = baseline.current.clone();
        let line = read_back(&record, record.revision, &baseline.target)?;
        run.reached(step, vec![line]).await;
        return Ok(record);
    }
    let name = &run.request.release.name;
    let back = format!("helm rollback {name} {}", plan.target);
    let mut from = plan.current.revision;
    let mut evidence = Vec::new();
    let step = match &baseline.step_back {
        None => run.begin(StateName::RolledBack, back, Some(deadline)),
        Some(applied) => {
            let doing = format!(
                "helm rollback {name} {} first, so that Helm knows what is live",
                applied.revision
            );
            let step = run.begin(StateName::RolledBack, doing, Some(deadline));
            let (record, line) = helm(run, &step, &step_back(run, plan, applied), baseline, applied).await?;
            evidence.push(line);
            from = record.revision;
            run.announce(StateName::RolledBack, back, Some(deadline));
            step
        }
    };
    let (record, line) = helm(run, &step, &order(run, plan, from), baseline, &baseline.target).await?;
    evidence.push(line);
    run.reached(step, evidence).await;
    run.assert_not_interrupted()?;
    Ok(record)
}

/// A record that Helm made and that is as it was wanted, and the line that proves it.
type Made = (ReleaseRecord, String);

/// Runs Helm once: written down before, read back afterwards.
async fn helm(
    run: &mut RunContext<'_>,
    step: &Step,
    order: &RollbackOrder,
    baseline: &Baseline,
    wanted: &ReleaseRecord,
) -> Result<Made, StepError> {
    run.assert_not_interrupted()?;
    assert_held(run).await?;
    let made = Revision(order.from.0 + 1);
    let key = format!(
        "helm-rollback {}→{} as {made} sha256:{}",
        order.from, order.to, wanted.manifest_sha256
    );
    run.intend(step, key, json!({ "order": order })).await?;
    reject_what_is_left(run, baseline);
    // Before Helm runs: a failed rollback may leave the bad revision `superseded`, which looks like a good one.
    run.save_state().await?;

    // The model is proved to be out: else there were no `Fenced`.
    run.progress = Progress::Fenced {
        restore: baseline.prior.clone(),
        retained: run.progress.retained().to_vec(),
        is_proved: true,
    };
    match run.ports.releases.rollback(order).await {
        RollbackOutcome::Recorded(done) => Ok(judged(run, *done, made, wanted)?),
        RollbackOutcome::NotRecorded(failure) => Err(not_recorded(run, failure).into()),
        RollbackOutcome::Overtaken(failure) => {
            // Whose pods run now is the other operation's to say.
            let release = &run.request.release;
            let hint = release.hint("when that operation is over, check what it left", "validate");
            Err(failure.next(hint).into())
        }
        RollbackOutcome::Unknown(failure) => Ok(found_after_all(run, failure, made, wanted).await?),
    }
}

/// The order that makes what is live known to Helm again ([`crate::plan::StepBack`]).
fn step_back(run: &RunContext<'_>, plan: &Plan, applied: &ReleaseRecord) -> RollbackOrder {
    RollbackOrder {
        to: applied.revision,
        skips_hooks: true,
        description: described(
            run,
            format!("Rollback to {}, a step on the way to {}", applied.revision, plan.target),
        ),
        ..order(run, plan, plan.current.revision)
    }
}

fn order(run: &RunContext<'_>, plan: &Plan, from: Revision) -> RollbackOrder {
    // Helm's own words come first: tools read the target from them.
    let mut description = format!("Rollback to {}", plan.target);
    if let Some(reason) = &run.request.reason {
        description.push_str(&format!(": {}", one_line(reason)));
    }
    RollbackOrder {
        to: plan.target,
        from,
        description: described(run, description),
        client_side: plan.client_side,
        skips_hooks: false,
        timeout_ms: u64::try_from(run.request.deadlines.helm.as_millis()).unwrap_or(u64::MAX),
    }
}

/// With who did it, cut to what Helm takes.
fn described(run: &RunContext<'_>, what: String) -> String {
    let whole = format!("{what} (vllm-rollback {} by {})", run.request.run_id, run.request.by);
    whole.chars().take(DESCRIPTION_CHARS).collect()
}

/// Rejects the revision that the run goes back from: no later run chooses it.
fn reject_what_is_left(run: &mut RunContext<'_>, baseline: &Baseline) {
    let why = run.request.reason.as_deref().map(one_line);
    let reason = why.unwrap_or_else(|| format!("rolled back by run {}", run.request.run_id));
    let left = [Some(&baseline.current), baseline.step_back.as_ref()];
    for left in left.into_iter().flatten() {
        if left.manifest_sha256 != baseline.target.manifest_sha256 {
            let rejected = Rejected {
                revision: left.revision.0,
                manifest_sha256: left.manifest_sha256.clone(),
                reason: reason.clone(),
            };
            run.ledger.reject(rejected);
        }
    }
}

/// A new record exists: it counts when it is the one that was ordered.
fn judged(run: &mut RunContext<'_>, done: RolledBack, made: Revision, wanted: &ReleaseRecord) -> Result<Made, Failure> {
    let RolledBack {
        record,
        exit_code,
        stderr_tail,
    } = done;
    run.write(|report| report.new_revision = Some(record.revision));
    let line = read_back(&record, made, wanted).map_err(|mut failure| {
        failure
            .why
            .extend(stderr_tail.iter().map(|line| format!("helm: {line}")));
        failure
    })?;
    if exit_code != Some(0) {
        let code = exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        run.note(format!(
            "helm ended with {code}, but its record says that the rollback was done"
        ));
    }
    Ok((record, line))
}

fn not_recorded(run: &RunContext<'_>, failure: Failure) -> Failure {
    failure
        .because("Helm made no new revision, so the pods are still those of the bad one")
        .next(run.request.release.command("", ""))
}

/// Looks whether there is a new record after all.
async fn found_after_all(
    run: &mut RunContext<'_>,
    failure: Failure,
    made: Revision,
    wanted: &ReleaseRecord,
) -> Result<Made, Failure> {
    let found = async {
        let history = run.ports.releases.history().await?;
        match history.iter().map(|summary| summary.revision).max() {
            Some(newest) if newest >= made => run.ports.releases.record(newest).await.map(Some),
            _ => Ok(None),
        }
    };
    match found.await {
        Ok(Some(record)) => {
            run.write(|report| report.new_revision = Some(record.revision));
            let line = read_back(&record, made, wanted).map_err(|judgement| judgement.because(failure.to_string()))?;
            run.note(format!(
                "helm could not be followed ({failure}), but its record says that the rollback was done"
            ));
            Ok((record, line))
        }
        Ok(None) => Err(not_recorded(run, failure)),
        Err(unread) => Err(failure
            .because(format!("whether Helm made revision {made} is unknown: {unread}"))
            .next(run.request.release.command("history", ""))
            .next(run.request.release.command("", ""))),
    }
}

/// Proves that the target is back, as far as Helm's record can.
fn read_back(record: &ReleaseRecord, made: Revision, wanted: &ReleaseRecord) -> Result<String, Failure> {
    let release = &record.release;
    let wrong = |what: String| Failure::external(what).next(release.command("history", ""));
    if record.revision != made {
        return Err(wrong(format!(
            "the newest revision is {}, but the rollback would have made {made}: somebody else is changing the release",
            record.revision
        )));
    }
    if record.status != ReleaseStatus::Deployed {
        let failure = wrong(format!(
            "helm rollback to revision {} failed: revision {made} is {}",
            wanted.revision, record.status
        ));
        let failure = match record.description.trim() {
            "" => failure,
            description => failure.because(description),
        };
        return Err(match record.status {
            ReleaseStatus::PendingRollback => left_pending(record, failure),
            _ if record.description.contains("conflict with") => failure
                .because("another field manager owns what the target sets, and Helm's server-side apply leaves it alone")
                .next(format!(
                    "make that manager give the field up, or let Helm write over it once: helm rollback {} {} -n {} --server-side=false",
                    release.name, wanted.revision, release.namespace
                )),
            _ => failure.next(release.command("", "")),
        });
    }
    if record.manifest_sha256 != wanted.manifest_sha256 {
        return Err(wrong(format!(
            "revision {made} does not have the manifest of revision {}",
            wanted.revision
        )));
    }
    Ok(format!(
        "revision {made} is {} with the manifest of revision {}, sha256:{}",
        record.status, wanted.revision, record.manifest_sha256
    ))
}

/// Helm leaves its record pending where it did not come to its end (helm v4.3 `pkg/action/rollback.go`).
fn left_pending(record: &ReleaseRecord, failure: Failure) -> Failure {
    let release = &record.release;
    let began = |hook: &&Hook| hook.began_only && hook.in_rollback().is_some();
    let failure = match record.hooks.iter().find(began) {
        Some(hook) => {
            let is_before = hook.events.iter().any(|event| event == "pre-rollback");
            let objects = if is_before {
                "nothing of the target was applied"
            } else {
                "the target's objects were applied before it"
            };
            let what = hook.in_rollback().unwrap_or_default();
            let object = format!("{}/{}", hook.kind.to_lowercase(), hook.name);
            let look = if hook.kind == "Job" { "logs" } else { "describe" };
            failure
                .because(format!("its {what} did not succeed, and {objects}"))
                .next(format!("kubectl {look} {object} -n {}", release.namespace))
        }
        None => failure.because("the manifest is not understood by this cluster, or helm was cut off"),
    };
    failure.next(format!(
        "once the trouble is gone, continue: {} --accept-pending",
        release.command("", "")
    ))
}
