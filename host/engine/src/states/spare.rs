//! Good pods that go on serving through the run, so that a stuck upgrade does not become an outage.
//!
//! They run what the target asks for, and pass the direct checks before anything changes. Pods that come later are none of
//! them, whatever they run.

use crate::check::{CheckContext, CheckSpec, Phase};
use crate::failure::{Failure, FailureKind};
use crate::plan::Plan;
use crate::ports::World;
use crate::request::{FenceWish, Request};
use crate::run::Run;
use crate::setback::Setback;
use crate::states::locked::Basis;
use crate::states::validated::{changed_pods, checks_pass, context, judged};
use crate::traffic::{TrafficState, TrafficStatus};
use crate::wait::unless_asked_to_stop;
use crate::workload::{Finding, ServingPod, Severity};

/// Runs the direct checks on the pods that could go on serving, and says in the plan what they told. A proposal to spare them is
/// taken back when they do not pass; a wish is refused, as the run would do. Changes nothing in the cluster.
///
/// # Errors
/// When the target's record cannot be read.
pub async fn try_spared(world: &World<'_>, request: &Request, plan: &mut Plan) -> Result<(), Failure> {
    let is_proposal = |finding: &Finding| finding.subject == "fence" && finding.severity == Severity::Warning;
    let proposal = plan.preflight.findings.iter_mut().find(|finding| is_proposal(finding));
    let Some(standing) = &plan.preflight.standing else {
        return Ok(());
    };
    if plan.spares.is_empty() && proposal.is_none() {
        return Ok(());
    }
    let record = world.releases.record(plan.target).await?;
    let model = plan.preflight.model.as_deref();
    let context = CheckContext {
        are_some: true,
        ..context(request, model, &record, &standing.good, plan.traffic.status.word())
    };
    let verdicts = world.checks.run(Phase::Direct, &context, world.observer).await;
    let specs: Vec<&CheckSpec> = plan.checks.iter().filter(|spec| spec.phase == Phase::Direct).collect();
    let setback = judged(&plan.release, &specs, &verdicts).err();
    let failure = setback.as_ref().and_then(Setback::failure);
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
                Some(_) if request.fence == FenceWish::BadOnly => Severity::Refuse,
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
pub(super) async fn proved(run: &mut Run<'_>, plan: &Plan, basis: &Basis) -> Result<Vec<ServingPod>, Setback> {
    if plan.spares.is_empty() {
        return Ok(Vec::new());
    }
    let world = run.world;
    let looking = world.workloads.standing(&basis.target);
    let standing = unless_asked_to_stop(world.interrupt, looking).await??;
    let passed = match standing.good.as_slice() {
        [] => Err(Setback::Failed(gone(plan))),
        good => {
            let found = run.report.traffic_before.as_ref();
            let word = found.map_or("", |found| found.status.word()).to_owned();
            let model = plan.preflight.model.as_deref();
            let context = CheckContext {
                are_some: true,
                ..context(run.request, model, &basis.target, good, &word)
            };
            run.note(format!("checking what would go on serving: {}", standing.sentence()));
            match checks_pass(run, &plan.checks, Phase::Direct, &context).await {
                Ok(_) => stayed(run, basis, good).await,
                Err(setback) => Err(setback),
            }
        }
    };
    match passed {
        Ok(()) => Ok(standing.good),
        Err(Setback::Failed(failure) | Setback::CheckFailed(failure)) if was_narrowed(run) || run.request.resumes => {
            run.warn(format!(
                "the pods that an earlier run spared are taken out of traffic, too: {failure}"
            ));
            Ok(Vec::new())
        }
        Err(Setback::CheckFailed(failure)) => Err(Setback::CheckFailed(
            failure
                .because("so these pods are not good enough to serve through the run, and nothing was changed")
                .next(run.request.release.command("", "")),
        )),
        Err(setback) => Err(setback),
    }
}

/// The pods that were checked are still the same ones.
async fn stayed(run: &mut Run<'_>, basis: &Basis, checked: &[ServingPod]) -> Result<(), Setback> {
    let world = run.world;
    let looking = world.workloads.standing(&basis.target);
    let mut now = unless_asked_to_stop(world.interrupt, looking).await??.good;
    // One that became ready meanwhile is not spared.
    now.retain(|pod| checked.iter().any(|checked| checked.uid == pod.uid));
    changed_pods(&run.request.release, checked, &now).map_or(Ok(()), |changed| Err(Setback::CheckFailed(changed)))
}

/// Marks them in the cluster. Evidence lines.
pub(super) async fn mark(run: &mut Run<'_>, spared: Vec<ServingPod>) -> Result<Vec<String>, Setback> {
    if spared.is_empty() {
        return Ok(Vec::new());
    }
    let evidence = run.world.registry.spare(&spared).await?;
    run.spared = spared;
    Ok(evidence)
}

/// From what the model is taken: from the state to restore, or from that to which an earlier run narrowed it.
pub(crate) fn stops<'r>(run: &'r Run<'_>, basis: &'r Basis) -> &'r TrafficState {
    match &run.report.traffic_before {
        Some(found) if found.status == TrafficStatus::Narrowed && run.spared.is_empty() => found,
        _ => &basis.prior,
    }
}

/// Says who serves, where the model was not taken out as a whole.
pub(crate) fn tell(run: &mut Run<'_>) {
    if are_left(run) {
        run.note("the pods that passed the direct checks before the run go on serving; no other pod gets traffic");
    }
}

/// The good pods serve, and no others.
pub(crate) fn are_left(run: &Run<'_>) -> bool {
    is_narrowed(run.report.traffic_after.as_ref())
}

fn was_narrowed(run: &Run<'_>) -> bool {
    is_narrowed(run.report.traffic_before.as_ref())
}

fn is_narrowed(state: Option<&TrafficState>) -> bool {
    state.is_some_and(|state| state.status == TrafficStatus::Narrowed)
}

fn gone(plan: &Plan) -> Failure {
    Failure::new(
        FailureKind::Conflict,
        "no good pod serves any more, so there is none to spare",
    )
    .because("the plan was made when there were some; nothing was changed")
    .next(plan.release.command("plan", ""))
    .next(plan.release.command("", ""))
}
