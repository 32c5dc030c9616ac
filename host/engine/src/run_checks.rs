//! Running the checks of a phase, and what their verdicts mean for the run.

use crate::check::{CheckContext, CheckSpec, Outcome, Phase, Verdict};
use crate::context::RunContext;
use crate::event::Event;
use crate::failure::Failure;
use crate::release::{ReleaseRecord, ReleaseRef};
use crate::request::Request;
use crate::step_error::StepError;
use crate::wait::or_interrupted;
use crate::workload::ServingPod;

/// Collects the facts that are handed to the checks.
pub(crate) fn context(
    request: &Request,
    model: Option<&str>,
    record: &ReleaseRecord,
    pods: &[ServingPod],
    expected_traffic: &str,
) -> CheckContext {
    CheckContext {
        run_id: request.run_id.clone(),
        release: request.release.name.clone(),
        namespace: request.release.namespace.clone(),
        revision: record.revision.0,
        model: request.model.clone().or_else(|| model.map(str::to_owned)),
        environment: request.environment.clone(),
        pods: pods.to_vec(),
        is_subset: false,
        expected_traffic: expected_traffic.to_owned(),
    }
}

/// Runs the checks of a phase; evidence lines when every required one passed.
pub(crate) async fn checks_pass(
    run: &mut RunContext<'_>,
    specs: &[CheckSpec],
    phase: Phase,
    context: &CheckContext,
) -> Result<Vec<String>, StepError> {
    let specs: Vec<_> = specs.iter().filter(|spec| spec.phase == phase).collect();
    for spec in &specs {
        if let Some(why) = &spec.skipped {
            run.emit(Event::Note {
                text: format!("{} does not run: {why}", spec.name),
            });
        }
    }
    let ports = run.ports;
    let running = ports.checks.run(phase, context, ports.observer);
    let verdicts = or_interrupted(ports.interrupt, running).await?;
    run.write(|report| report.checks.extend(verdicts.iter().cloned()));
    judged(&run.request.release, &specs, &verdicts)
}

/// Every required check gave a verdict, and every verdict of a required check is a pass.
pub(crate) fn judged(
    release: &ReleaseRef,
    specs: &[&CheckSpec],
    verdicts: &[Verdict],
) -> Result<Vec<String>, StepError> {
    let silent = specs.iter().filter(|spec| spec.required && spec.skipped.is_none());
    let silent: Vec<_> = silent
        .filter(|spec| verdicts.iter().all(|v| v.check != spec.name))
        .collect();
    let failed: Vec<_> = verdicts
        .iter()
        .filter(|v| v.required && v.outcome != Outcome::Pass)
        .collect();
    if silent.is_empty() && failed.is_empty() {
        let mut lines: Vec<_> = verdicts.iter().map(line).collect();
        let skipped = specs
            .iter()
            .filter_map(|s| s.skipped.as_ref().map(|why| (&s.name, why)));
        lines.extend(skipped.map(|(name, why)| format!("{name} did not run: {why}")));
        return Ok(lines);
    }
    let mut names: Vec<_> = failed
        .iter()
        .map(|v| v.check.as_str())
        .chain(silent.iter().map(|spec| spec.name.as_str()))
        .collect();
    names.dedup();
    let mut failure = Failure::refused(format!("not passed: {}", names.join(", ")));
    failure.why.extend(failed.iter().map(|v| line(v)));
    failure
        .why
        .extend(silent.iter().map(|spec| format!("{} gave no verdict", spec.name)));
    Err(StepError::CheckFailed(failure.next(release.command("validate", ""))))
}

fn line(verdict: &Verdict) -> String {
    let pod = verdict
        .pod
        .as_ref()
        .map(|pod| format!(" on pod {pod}"))
        .unwrap_or_default();
    let outcome = match verdict.outcome {
        Outcome::Pass => "passed",
        Outcome::Fail => "failed",
        Outcome::Inconclusive => "could not tell",
        Outcome::Error => "could not run",
    };
    format!("{} {outcome}{pod}: {}", verdict.check, verdict.summary)
}

/// Returns why the pods that were checked are not those that will serve; `None` when they are the same ones, of the
/// same revision, still ready and not restarted since.
pub(crate) fn changed_pods(release: &ReleaseRef, before: &[ServingPod], now: &[ServingPod]) -> Option<Failure> {
    let gone_bad = |pod: &ServingPod| {
        let Some(same) = now.iter().find(|other| other.uid == pod.uid) else {
            return Some(format!("pod {} is gone", pod.name));
        };
        if same.revision_hash != pod.revision_hash {
            return Some(format!("pod {} is now of revision {}", pod.name, same.revision_hash));
        }
        if !same.ready {
            return Some(format!("pod {} is not ready any more", pod.name));
        }
        (same.restarts > pod.restarts).then(|| format!("pod {} restarted", pod.name))
    };
    let unchecked = |pod: &&ServingPod| before.iter().all(|other| other.uid != pod.uid);
    let new = || {
        now.iter()
            .find(unchecked)
            .map(|pod| format!("pod {} was not checked", pod.name))
    };
    let what = before.iter().find_map(gone_bad).or_else(new)?;
    let failure = Failure::conflict("the pods changed while they were checked");
    Some(failure.because(what).next(release.command("", "")))
}
