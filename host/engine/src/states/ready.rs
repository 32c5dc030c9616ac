//! ready: exactly one revision serves, it is the target, and the live objects equal its manifest.

use std::time::Duration;

use futures::join;
use serde_json::json;

use crate::context::RunContext;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::ports::NotReady;
use crate::release::ReleaseRecord;
use crate::report::StateName;
use crate::states::fenced::Fenced;
use crate::states::locked::Baseline;
use crate::step_error::StepError;
use crate::wait::or_interrupted;
use crate::workload::{Cause, Drift, Ready, ServingPod, counted};

/// Differences that a failure lists.
const LISTED_DRIFT: usize = 10;

/// The pods that serve the target: only this file makes one.
#[derive(Debug)]
pub(crate) struct Serving {
    pods: Vec<ServingPod>,
}

impl Serving {
    /// The pods, at least one.
    pub(crate) fn pods(&self) -> &[ServingPod] {
        &self.pods
    }
}

/// Waits until the target serves, and looks again whether the fence held: Helm wrote to the same objects meanwhile.
pub(crate) async fn enter(
    run: &mut RunContext<'_>,
    plan: &Plan,
    baseline: &Baseline,
    fenced: &Fenced,
    record: &ReleaseRecord,
) -> Result<Serving, StepError> {
    let deadlines = run.request.deadlines;
    let budget = Duration::from_secs(plan.preflight.startup_budget_seconds);
    let deadline = deadlines.readiness.unwrap_or(budget);
    let doing = format!("waiting until revision {} serves", record.revision);
    let step = run.begin(StateName::Ready, doing, Some(deadline));
    run.intend(&step, format!("watch {}", record.revision), json!({}))
        .await?;
    let ready = serving(run, record, deadline).await?;
    let (ports, registry) = (run.ports, deadlines.registry);
    let stop = fenced.stop(run, baseline);
    let checked = async {
        join!(
            ports.workloads.drift(record),
            ports.registry.confirm_stopped(&stop, registry)
        )
    };
    let (drift, stopped) = or_interrupted(ports.interrupt, checked).await?;
    let mut evidence = ready.evidence;
    evidence.extend(equals_manifest(record, drift?)?);
    match stopped {
        Ok(lines) => evidence.extend(lines.into_iter().map(|line| format!("still fenced: {line}"))),
        Err(failure) => {
            run.progress.note_fence(false);
            return Err(StepError::Failed(
                failure.because("the fence did not hold through the rollback"),
            ));
        }
    }
    run.reached(step, evidence).await;
    Ok(Serving { pods: ready.pods })
}

/// Waits until the pods of this record serve.
pub(crate) async fn serving(
    run: &mut RunContext<'_>,
    record: &ReleaseRecord,
    deadline: Duration,
) -> Result<Ready, StepError> {
    let ports = run.ports;
    let watching = ports.workloads.watch_ready(record, deadline, ports.observer);
    let ready = match or_interrupted(ports.interrupt, watching).await? {
        Ok(ready) => ready,
        Err(NotReady::Failed(failure)) => return Err(StepError::Failed(failure)),
        Err(NotReady::Caused(causes)) => {
            let failure = not_ready(record, &causes, deadline);
            run.write(|report| report.causes.extend(causes));
            return Err(StepError::Failed(failure));
        }
    };
    if ready.pods.is_empty() {
        let what = format!("no pod serves revision {}", record.revision);
        let failure = Failure::invalid(what)
            .because("the manifest asks for none, or for nothing that serves a model")
            .next(record.release.command("status", ""));
        return Err(StepError::Failed(failure));
    }
    if let Some(pod) = ready.pods.iter().find(|pod| !pod.ready) {
        let what = format!("pod {} of revision {} is not ready", pod.name, record.revision);
        return Err(StepError::Failed(
            Failure::invalid(what).next(record.release.command("status", "")),
        ));
    }
    Ok(ready)
}

/// Returns the failure when another helm wrote the release since: then what was seen may be its work, and what it wrote was
/// not looked at. Helm has no lock of its own.
///
/// # Errors
/// When the history cannot be read.
pub(crate) async fn overtaken(run: &RunContext<'_>, record: &ReleaseRecord) -> Result<Option<Failure>, Failure> {
    let release = &record.release;
    let history = run.ports.releases.history().await?;
    let newest = history.iter().max_by_key(|summary| summary.revision);
    let other = newest.filter(|newest| newest.revision != record.revision);
    Ok(other.map(|other| {
        Failure::conflict(format!(
            "revision {} ({}) was made while this run was under way",
            other.revision, other.status
        ))
        .because(format!(
            "this run was to prove revision {}, and another Helm operation wrote the release since",
            record.revision
        ))
        .next(release.command("history", ""))
        .next(release.hint("when that operation is over, check what it left", "validate"))
        .next(release.hint("or roll back again", ""))
    }))
}

/// An error on the way to the proof, explained by another helm where there was one.
pub(crate) async fn attribute_to_concurrent_helm(
    run: &RunContext<'_>,
    record: &ReleaseRecord,
    error: StepError,
) -> StepError {
    let (StepError::Failed(failure) | StepError::CheckFailed(failure)) = &error else {
        return error;
    };
    match overtaken(run, record).await {
        Ok(Some(other)) if other != *failure => StepError::Failed(other.because(failure.to_string())),
        _ => error,
    }
}

/// The line that proves equality, or the differences.
///
/// # Errors
/// When anything live differs: a rollback that "succeeded" may have left fields of a failed upgrade (helm#13346).
pub(crate) fn equals_manifest(record: &ReleaseRecord, drift: Vec<Drift>) -> Result<Vec<String>, Failure> {
    if drift.is_empty() {
        return Ok(vec![format!(
            "live objects equal the manifest, sha256:{}",
            record.manifest_sha256
        )]);
    }
    let mut failure = Failure::invalid(format!(
        "{} differ from the manifest of revision {}: something was changed by hand, or a failed upgrade left it behind",
        counted(drift.len(), "field"),
        record.revision
    ));
    for one in drift.iter().take(LISTED_DRIFT) {
        failure = failure.because(format!(
            "{} {}: {} in the manifest, {} in the cluster",
            one.object,
            one.path,
            one.wanted.as_deref().unwrap_or("absent"),
            one.live.as_deref().unwrap_or("absent")
        ));
    }
    if drift.len() > LISTED_DRIFT {
        failure = failure.because(format!("and {} more", counted(drift.len() - LISTED_DRIFT, "field")));
    }
    Err(failure
        .next(format!(
            "take the fields out: kubectl edit {} -n {}",
            drift[0].object, record.release.namespace
        ))
        .next(record.release.command("", "")))
}

fn not_ready(record: &ReleaseRecord, causes: &[Cause], deadline: Duration) -> Failure {
    let revision = record.revision;
    let mut failure = if causes.iter().any(|cause| cause.terminal) {
        Failure::external(format!("revision {revision} will not get ready"))
    } else {
        let seconds = deadline.as_secs();
        Failure::timeout(format!("revision {revision} did not get ready within {seconds} s"))
    };
    let seen = causes.iter();
    failure
        .why
        .extend(seen.map(|cause| format!("{}: {}", cause.object, cause.message)));
    for step in causes.iter().flat_map(|cause| &cause.next) {
        if !failure.next.contains(step) {
            failure.next.push(step.clone());
        }
    }
    failure
}
