//! validated: the direct checks passed while the model is still out of traffic.

use serde_json::json;

use crate::check::{CheckContext, CheckSpec, Outcome, Phase, Verdict};
use crate::event::Event;
use crate::failure::{Failure, FailureKind};
use crate::plan::Plan;
use crate::release::{ReleaseRecord, ReleaseRef};
use crate::report::StateName;
use crate::request::Request;
use crate::run::Run;
use crate::setback::Setback;
use crate::states::locked::Basis;
use crate::states::ready::{Serving, assert_newest};
use crate::traffic::{TrafficState, TrafficStatus};
use crate::wait::unless_asked_to_stop;
use crate::workload::ServingPod;

/// Proof that the serving pods passed: only this file makes one, and nothing is let back into traffic without
/// (invariant I1).
#[derive(Debug)]
pub(crate) struct Proof {
    context: CheckContext,
}

impl Proof {
    /// What the checks were told.
    pub(crate) fn context(&self) -> &CheckContext {
        &self.context
    }
}

/// Checks the pods, and looks afterwards that they are still the same ones.
pub(crate) async fn enter(
    run: &mut Run<'_>,
    plan: &Plan,
    basis: &Basis,
    record: &ReleaseRecord,
    serving: Serving,
) -> Result<Proof, Setback> {
    let step = run.begin(StateName::Validated, "checking the pods before they get traffic", None);
    run.intend(&step, format!("check {} directly", record.revision), json!({}))
        .await?;
    let model = plan.preflight.model.as_deref();
    let expected = if run.spared.is_empty() {
        out_of_traffic(&basis.prior)
    } else {
        TrafficStatus::Narrowed.word()
    };
    let context = context(run.request, model, record, serving.pods(), expected);
    let mut evidence = checks_pass(run, &plan.checks, Phase::Direct, &context).await?;
    let world = run.world;
    let now = unless_asked_to_stop(world.interrupt, world.workloads.serving_pods(record)).await??;
    if let Some(changed) = changed_pods(&record.release, serving.pods(), &now) {
        return Err(Setback::CheckFailed(changed));
    }
    evidence.push(format!("the same {} serve as before the checks", pods(now.len())));
    evidence.push(unless_asked_to_stop(world.interrupt, assert_newest(run, record)).await??);
    run.reached(step, evidence).await;
    Ok(Proof { context })
}

/// What the checks are told.
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
        are_some: false,
        expected_traffic: expected_traffic.to_owned(),
    }
}

/// The word the registry says while the model is fenced: its own for a model that was out of traffic before.
fn out_of_traffic(prior: &TrafficState) -> &str {
    match &prior.status {
        TrafficStatus::Enabled => TrafficStatus::Disabled.word(),
        other => other.word(),
    }
}

/// Runs the checks of a phase; evidence lines when every required one passed.
pub(crate) async fn checks_pass(
    run: &mut Run<'_>,
    specs: &[CheckSpec],
    phase: Phase,
    context: &CheckContext,
) -> Result<Vec<String>, Setback> {
    let specs: Vec<_> = specs.iter().filter(|spec| spec.phase == phase).collect();
    for spec in &specs {
        if let Some(why) = &spec.skipped {
            run.say(Event::Note {
                text: format!("{} does not run: {why}", spec.name),
            });
        }
    }
    let world = run.world;
    let running = world.checks.run(phase, context, world.observer);
    let verdicts = unless_asked_to_stop(world.interrupt, running).await?;
    run.report.checks.extend(verdicts.iter().cloned());
    judged(&run.request.release, &specs, &verdicts)
}

/// Every required check gave a verdict, and every verdict of a required check is a pass.
pub(crate) fn judged(release: &ReleaseRef, specs: &[&CheckSpec], verdicts: &[Verdict]) -> Result<Vec<String>, Setback> {
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
    let names: Vec<_> = failed
        .iter()
        .map(|v| v.check.as_str())
        .chain(silent.iter().map(|spec| spec.name.as_str()))
        .collect();
    let mut unique = names.clone();
    unique.dedup();
    let mut failure = Failure::new(FailureKind::Refused, format!("not passed: {}", unique.join(", ")));
    failure.why.extend(failed.iter().map(|v| line(v)));
    failure
        .why
        .extend(silent.iter().map(|spec| format!("{} gave no verdict", spec.name)));
    Err(Setback::CheckFailed(failure.next(release.command("validate", ""))))
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

/// What was checked is what will serve: the same pods, of the same revision, still ready, not restarted since. Else why
/// not.
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
    let failure = Failure::new(FailureKind::Conflict, "the pods changed while they were checked");
    Some(failure.because(what).next(release.command("", "")))
}

fn pods(count: usize) -> String {
    if count == 1 {
        "pod".to_owned()
    } else {
        format!("{count} pods")
    }
}
