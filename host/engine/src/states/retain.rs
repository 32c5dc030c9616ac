//! Good pods that go on serving through the run, so that a stuck upgrade does not become an outage.
//!
//! They run what the target asks for, and pass the direct checks before anything changes. Pods that come later are none of
//! them, whatever they run.

use crate::check::{CheckContext, CheckSpec, Phase};
use crate::context::RunContext;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::ports::Ports;
use crate::request::{FenceScope, Request};
use crate::run_checks::{changed_pods, checks_pass, context, judged};
use crate::states::locked::Baseline;
use crate::step_error::StepError;
use crate::traffic::{TrafficState, TrafficStatus};
use crate::wait::or_interrupted;
use crate::workload::{Finding, ServingPod, Severity};

/// Runs the direct checks on the pods that could go on serving, and says in the plan what they told. A proposal to spare them is
/// taken back when they do not pass; a wish is refused, as the run would do. Changes nothing in the cluster.
///
/// # Errors
/// When the target's record cannot be read.
pub async fn validate_retained(ports: &Ports<'_>, request: &Request, plan: &mut Plan) -> Result<(), Failure> {
    let is_proposal = |finding: &Finding| finding.subject == "fence" && finding.severity == Severity::Warning;
    let proposal = plan.preflight.findings.iter_mut().find(|finding| is_proposal(finding));
    let Some(standing) = &plan.preflight.standing else {
        return Ok(());
    };
    if plan.spares.is_empty() && proposal.is_none() {
        return Ok(());
    }
    let record = ports.releases.record(plan.target).await?;
    let model = plan.preflight.model.as_deref();
    let context = CheckContext {
        is_subset: true,
        ..context(request, model, &record, &standing.good, plan.traffic.status.as_str())
    };
    let verdicts = ports.checks.run(Phase::Direct, &context, ports.observer).await;
    let specs: Vec<&CheckSpec> = plan.checks.iter().filter(|spec| spec.phase == Phase::Direct).collect();
    let error = judged(&plan.release, &specs, &verdicts).err();
    let failure = error.as_ref().and_then(StepError::failure);
    let words = match &failure {
        None => "they pass the direct checks".to_owned(),
        Some(failure) => format!("but they do not pass the direct checks: {failure}"),
    };
    match proposal {
        Some(proposal) => {
            proposal.message = format!("{}; {words}", proposal.message);
            if failure.is_some() {
                proposal.next.clear();
            }
        }
        None => plan.preflight.findings.push(Finding {
            severity: match &failure {
                None => Severity::Ok,
                Some(_) if request.fence == FenceScope::BadOnly => Severity::Refuse,
                // Those of an earlier run are taken out with the rest.
                Some(_) => Severity::Warning,
            },
            subject: "fence".to_owned(),
            message: format!("{}; {words}", standing.sentence()),
            next: failure.map(|_| plan.release.command("", "")).into_iter().collect(),
        }),
    }
    Ok(())
}

/// The pods that the plan spares, as they are now, checked. None when the whole model is taken out.
///
/// # Errors
/// When there is none any more, or a check does not pass: nothing was changed yet. Pods that an earlier run spared and that do
/// not pass any more are no error: they are taken out with the rest.
pub(super) async fn validated_pods(
    run: &mut RunContext<'_>,
    plan: &Plan,
    baseline: &Baseline,
) -> Result<Vec<ServingPod>, StepError> {
    if plan.spares.is_empty() {
        return Ok(Vec::new());
    }
    let ports = run.ports;
    let looking = ports.workloads.split_pods(&baseline.target);
    let standing = or_interrupted(ports.interrupt, looking).await??;
    let passed = match standing.good.as_slice() {
        [] => Err(StepError::Failed(gone(plan))),
        good => {
            let word = baseline.found.status.as_str();
            let model = plan.preflight.model.as_deref();
            let context = CheckContext {
                is_subset: true,
                ..context(run.request, model, &baseline.target, good, word)
            };
            run.note(format!("checking what would go on serving: {}", standing.sentence()));
            match checks_pass(run, &plan.checks, Phase::Direct, &context).await {
                Ok(_) => stayed(run, baseline, good).await,
                Err(error) => Err(error),
            }
        }
    };
    match passed {
        Ok(()) => Ok(standing.good),
        Err(StepError::Failed(failure) | StepError::CheckFailed(failure))
            if is_narrowed(&baseline.found) || run.request.resumes =>
        {
            run.warn(format!(
                "the pods that an earlier run spared are taken out of traffic, too: {failure}"
            ));
            Ok(Vec::new())
        }
        Err(StepError::CheckFailed(failure)) => Err(StepError::CheckFailed(
            failure
                .because("so these pods are not good enough to serve through the run, and nothing was changed")
                .next(run.request.release.command("", "")),
        )),
        Err(error) => Err(error),
    }
}

/// The pods that were checked are still the same ones.
async fn stayed(run: &mut RunContext<'_>, baseline: &Baseline, checked: &[ServingPod]) -> Result<(), StepError> {
    let ports = run.ports;
    let looking = ports.workloads.split_pods(&baseline.target);
    let mut now = or_interrupted(ports.interrupt, looking).await??.good;
    // One that became ready meanwhile is not spared.
    now.retain(|pod| checked.iter().any(|checked| checked.uid == pod.uid));
    changed_pods(&run.request.release, checked, &now).map_or(Ok(()), |changed| Err(StepError::CheckFailed(changed)))
}

/// Marks them in the cluster. Evidence lines.
pub(super) async fn mark(run: &RunContext<'_>, retained: &[ServingPod]) -> Result<Vec<String>, StepError> {
    if retained.is_empty() {
        return Ok(Vec::new());
    }
    Ok(run.ports.registry.spare(retained).await?)
}

/// From what the model is taken: from the state to restore, or from that to which an earlier run narrowed it.
pub(crate) fn stops<'b>(baseline: &'b Baseline, retained: &[ServingPod]) -> &'b TrafficState {
    if is_narrowed(&baseline.found) && retained.is_empty() {
        &baseline.found
    } else {
        &baseline.prior
    }
}

/// Says who serves, where the model was not taken out as a whole.
pub(crate) fn tell(run: &mut RunContext<'_>, now: Option<&TrafficState>) {
    if now.is_some_and(is_narrowed) {
        run.note("the pods that passed the direct checks before the run go on serving; no other pod gets traffic");
    }
}

/// The good pods serve, and no others.
pub(crate) fn is_narrowed(state: &TrafficState) -> bool {
    state.status == TrafficStatus::Partial
}

fn gone(plan: &Plan) -> Failure {
    Failure::conflict("no good pod serves any more, so there is none to spare")
        .because("the plan was made when there were some; nothing was changed")
        .next(plan.release.command("plan", ""))
        .next(plan.release.command("", ""))
}
