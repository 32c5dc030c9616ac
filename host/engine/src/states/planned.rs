//! planned: everything looked at, nothing changed.

use std::collections::BTreeSet;

use futures::{join, try_join};
use vllm_rollback_objects::diff::diff;
use vllm_rollback_objects::orphaned::orphaned_fields;

use crate::check::{CheckSpec, Phase};
use crate::context::RunContext;
use crate::failure::{Failure, FailureKind};
use crate::gitops;
use crate::journal::{JournalState, RunState, RunSummary, fold};
use crate::plan::{Plan, StepBack, digest};
use crate::ports::Ports;
use crate::release::{ApplyMethod, ReleaseRecord, Revision};
use crate::report::StateName;
use crate::request::{FenceScope, Override, Request, RollbackTarget};
use crate::resume;
use crate::resume::{decide, earlier};
use crate::step_error::StepError;
use crate::target::{self, ResolvedTarget, TargetQuery};
use crate::traffic::{TrafficState, TrafficStatus};
use crate::workload::{Finding, Preflight, ServingPod, Severity};

/// Looks at everything that a run needs and says what it will do. Changes nothing. What stands in the way is among the
/// findings: see [`refusal`].
///
/// # Errors
/// When there is no target ([`target::choose`]), or when the release, the registry, helm or the checks cannot be read.
pub async fn plan(ports: &Ports<'_>, request: &Request) -> Result<Plan, Failure> {
    let looked = async {
        let run_state = ports.journal.load_state().await?;
        let now = ports.clock.wall();
        let (target, accept) = wanted(ports, request, &run_state).await?;
        let query = TargetQuery {
            release: &request.release,
            target,
            accept: &accept,
            now: &now,
            verb: if request.resumes { "resume" } else { "" },
        };
        let choice = target::choose(ports.releases, &run_state, &query).await?;
        let (preflight, live) = try_join!(
            ports.workloads.preflight(&choice.current, &choice.target),
            ports.workloads.live_objects(&choice.current)
        )?;
        Ok::<_, Failure>((run_state, choice, preflight, live))
    };
    let traffic = async {
        let found = ports.registry.read().await?;
        ports.registry.preflight().await?;
        Ok::<_, Failure>(found)
    };
    let (looked, found, checks, helm) = join!(looked, traffic, ports.checks.specs(), ports.releases.helm());
    // The release first: when it does not exist, nothing else that failed is worth a word.
    let (run_state, choice, mut preflight, live) = looked?;
    let (found, checks, helm) = (found?, checks?, helm?);
    let (current, target) = (&choice.current, &choice.target);
    // One that is not to be resumed was refused above.
    let cut = resume::unfinished(&run_state);
    let resumes = match cut {
        Some(cut) => {
            let journal = journal_of(ports, cut.run, &mut preflight).await;
            Some(decide::resumption(cut, &journal, &found, &choice)?)
        }
        None => None,
    };
    let resumes_sparing = cut.is_some_and(|cut| cut.run.spares);
    let is_narrowed = found.status == TrafficStatus::Partial;
    let prior = earlier::restore_point(&run_state, found, ports.registry)?;
    let goes_on = is_narrowed || resumes_sparing;
    let spares = spares(ports, request, &mut preflight, &prior.state, goes_on).await?;
    let notes = choice.notes.iter().map(|note| Finding::warning("target", note));
    preflight.findings.extend(notes);
    accept(request, &mut preflight);
    if is_narrowed && prior.taken_by.is_none() {
        let line = "only pods that a run checked once get traffic, and nothing remembers why; this run checks them again, and \
                    lets the whole model in at its end";
        preflight.findings.push(Finding::warning("traffic", line));
    }
    preflight.findings.extend(prior.taken_by.as_ref().map(|run| {
        let word = prior.state.status.as_str();
        let text = format!("run {run} took the model out of traffic; this run gives it back: {word}");
        Finding::warning("traffic", text)
    }));
    preflight.findings.extend(no_proof(&checks));

    let step_back = step_back(ports, &choice).await?;
    let mut plan = Plan {
        release: request.release.clone(),
        current: choice.newest.clone(),
        target: target.revision,
        target_chart: format!("{}-{}", target.chart, target.chart_version),
        target_manifest_sha256: target.manifest_sha256.clone(),
        target_apply_method: target.apply_method,
        skipped: choice.skipped,
        diff: diff(
            (&current.objects()?, current.revision),
            (&target.objects()?, target.revision),
            &live,
        ),
        hooks: rollback_hooks(target),
        preflight,
        client_side: ports.registry.needs_client_side_rollback()
            && helm.has_server_side
            && target.apply_method == ApplyMethod::ServerSide,
        helm,
        step_back,
        spares,
        traffic: prior.state,
        continues: choice.continued.map(|continued| continued.run_id),
        resumes,
        checks,
        digest: String::new(),
    };
    plan.digest = digest(&plan);
    Ok(plan)
}

/// The pods that go on serving: where the operator asks for it, or an earlier run did it. Else it is proposed, where
/// it could be done.
async fn spares(
    ports: &Ports<'_>,
    request: &Request,
    preflight: &mut Preflight,
    prior: &TrafficState,
    goes_on: bool,
) -> Result<Vec<ServingPod>, Failure> {
    let is_wished = request.fence == FenceScope::BadOnly;
    let can_spare = if preflight.standing.is_some() || is_wished {
        ports.registry.assert_can_retain().await
    } else {
        Ok(())
    };
    if prior.status != TrafficStatus::Enabled {
        let allowed = if is_wished { can_spare } else { Ok(()) };
        return allowed.map(|()| Vec::new());
    }
    let finding = match (&preflight.standing, can_spare) {
        (_, Err(failure)) if is_wished => return Err(failure),
        (Some(standing), Ok(())) if is_wished || goes_on => return Ok(standing.good.clone()),
        (Some(standing), Ok(())) if !standing.others.is_empty() => {
            let split = standing.sentence();
            let text = format!("the model need not be taken out of traffic as a whole: {split}");
            Finding::warning("fence", text).next(request.release.command("", "--fence bad-only"))
        }
        (None, _) if is_wished && !goes_on => {
            let text = "no ready pod runs what the target asks for, so there is none to keep in traffic";
            Finding::refuse("fence", text).next(request.release.command("", ""))
        }
        _ => return Ok(Vec::new()),
    };
    preflight.findings.push(finding);
    Ok(Vec::new())
}

/// Helm need go one step back first only where something that it does not know of is live.
async fn step_back(ports: &Ports<'_>, choice: &ResolvedTarget) -> Result<Option<StepBack>, Failure> {
    let Some(applied) = &choice.applied else {
        return Ok(None);
    };
    let live = ports.workloads.live_objects(applied).await?;
    let [declared, current, target] = [applied, &choice.current, &choice.target].map(ReleaseRecord::objects);
    let fields = orphaned_fields(&declared?, &current?, &target?, &live);
    Ok((!fields.is_empty()).then_some(StepBack {
        to: applied.revision,
        fields,
    }))
}

/// Folds the run's journal. Its file on this machine and the cluster's copy are held against each other; a damaged file
/// becomes a finding, and counts as far as it can be trusted.
async fn journal_of(ports: &Ports<'_>, run: &RunSummary, preflight: &mut Preflight) -> JournalState {
    let mirrored = JournalState::mirrored(run);
    let (state, trouble) = match ports.journal.records(&run.run_id).await {
        Ok(journal) => {
            let state = fold(&journal).or_newer(mirrored);
            let trouble = state.gap.map(|gap| gap.to_string());
            (state, trouble)
        }
        Err(failure) => (mirrored, Some(failure.to_string())),
    };
    preflight.findings.extend(trouble.map(|trouble| {
        let line = format!(
            "the journal of run {} cannot be trusted to its end: {trouble}; what the cluster shows decides",
            run.run_id
        );
        Finding::warning("journal", line)
    }));
    state
}

/// Determines the target and what was accepted. A run that is not finished comes first: it is resumed, or nothing
/// starts.
async fn wanted(
    ports: &Ports<'_>,
    request: &Request,
    run_state: &RunState,
) -> Result<(RollbackTarget, BTreeSet<Override>), Failure> {
    let release = &request.release;
    match resume::unfinished(run_state) {
        Some(cut) if request.resumes => {
            let mut accept = request.accept.clone();
            // Whoever began that run accepted its target.
            accept.insert(Override::BadTarget);
            Ok((RollbackTarget::Exact(Revision(cut.run.to)), accept))
        }
        Some(cut) => {
            // It may be at work this very moment.
            ports.lock.assert_free().await?;
            Err(cut.refuse(release))
        }
        None if request.resumes => Err(Failure::refused(format!(
            "no run on {release} is unfinished, so there is nothing to resume"
        ))
        .next(release.command("status", ""))
        .next(release.command("plan", ""))),
        None => Ok((request.target, request.accept.clone())),
    }
}

/// Returns why a run of this plan would not start, if it would not: a finding of the preflight refuses.
pub fn refusal(plan: &Plan) -> Option<Failure> {
    let findings = &plan.preflight.findings;
    let refusing = || findings.iter().filter(|f| f.severity == Severity::Refuse);
    let by_gitops = refusing().find(|f| f.subject == "gitops");
    let first = by_gitops.or_else(|| refusing().next())?;
    let kind = match by_gitops {
        Some(_) => FailureKind::GitOps,
        None => FailureKind::Refused,
    };
    let others = refusing().filter(|f| *f != first);
    Some(Failure {
        kind,
        what: first.message.clone(),
        why: others.map(|other| format!("also: {}", other.message)).collect(),
        next: refusing().flat_map(|f| f.next.clone()).collect(),
    })
}

/// The plan stands, nothing in it refuses, and nobody asked to stop.
pub(crate) fn enter(run: &mut RunContext<'_>, plan: &Plan) -> Result<(), StepError> {
    if let Some(failure) = refusal(plan) {
        return Err(StepError::Failed(failure));
    }
    run.assert_not_interrupted()?;
    let evidence = vec![
        format!(
            "revision {} ({}) → revision {}, manifest sha256:{}",
            plan.current.revision, plan.current.status, plan.target, plan.target_manifest_sha256
        ),
        format!("plan {}", plan.digest),
    ];
    let gitops = plan.preflight.findings.iter();
    for finding in gitops.filter(|f| f.subject == "gitops" && f.severity == Severity::Warning) {
        run.note(finding.message.clone());
        run.next.extend(finding.next.iter().cloned());
    }
    let seconds = run.request.planning.as_secs_f64();
    run.mark_in(StateName::Planned, seconds, evidence);
    Ok(())
}

/// Reports refusals that were accepted by name as warnings.
fn accept(request: &Request, preflight: &mut Preflight) {
    let can_suspend = gitops::suspends(request, preflight).is_some();
    let refusing = preflight.findings.iter_mut().filter(|f| f.severity == Severity::Refuse);
    for finding in refusing {
        // A resumed run goes where the one before went, and that one was let.
        let accepts_fewer = request.accepts(Override::FewerReplicas) || request.resumes;
        let how = match finding.subject.as_str() {
            "gitops" if can_suspend => "; this run suspends it first (--gitops=suspend)",
            "gitops" if request.accepts(Override::GitOps) => "; accepted by --gitops=ignore",
            "autoscaler" if accepts_fewer => "; accepted by --accept-fewer-replicas",
            _ => continue,
        };
        finding.severity = Severity::Warning;
        finding.message.push_str(how);
        if let Some(owner) = preflight.gitops.as_ref().filter(|_| finding.subject == "gitops") {
            finding.next = vec![owner.post_run_notes()];
        }
    }
}

/// Without a required check at the pods nothing would prove that the model works (invariant I1).
fn no_proof(checks: &[CheckSpec]) -> Option<Finding> {
    let proves = |check: &CheckSpec| check.phase == Phase::Direct && check.required && check.skipped.is_none();
    (!checks.iter().any(proves)).then(|| {
        let text = "no required check would run at the pods: nothing could prove that the model works";
        Finding::refuse("checks", text).next("leave at least one built-in check in, or give one with --plugin FILE")
    })
}

fn rollback_hooks(target: &ReleaseRecord) -> Vec<String> {
    let mut hooks = Vec::new();
    for event in ["pre-rollback", "post-rollback"] {
        let of_event = target
            .hooks
            .iter()
            .filter(|hook| hook.events.iter().any(|e| e == event));
        hooks.extend(of_event.map(|hook| format!("{event} {}/{}", hook.kind, hook.name)));
    }
    hooks
}
