//! `validate`: the checks alone, on what runs now. Changes nothing.

use std::time::Duration;

use futures::{join, try_join};

use crate::check::Phase;
use crate::event::Event;
use crate::failure::{Failure, FailureKind};
use crate::ports::World;
use crate::release::{ReleaseStatus, Revision};
use crate::report::{ExitCode, RunReport, StateName};
use crate::request::Request;
use crate::run::Run;
use crate::setback::Setback;
use crate::states::ready::{equals_manifest, serving};
use crate::states::validated::{changed_pods, checks_pass, context};
use crate::traffic::TrafficStatus;
use crate::wait::unless_asked_to_stop;

/// Runs the direct checks, and the routed ones when the model is in traffic, on the current revision. Takes no lock
/// and writes nothing. Exit 0 when the release is as its manifest says and every required check passed, else 1.
pub async fn validate(world: &World<'_>, request: &Request) -> RunReport {
    let mut run = Run::new(*world, request);
    let (outcome, exit_code, failure) = match look(&mut run).await {
        Ok(()) => (StateName::Done, ExitCode::Success, None),
        Err(setback) => {
            let exit_code = setback.exit_unchanged();
            let mut failure = setback.into_failure("interrupted; nothing was changed");
            run.report.next = std::mem::take(&mut failure.next);
            run.say(Event::Failed {
                failure: failure.clone(),
            });
            (StateName::Unchanged, exit_code, Some(failure))
        }
    };
    let line = failure
        .as_ref()
        .map_or_else(|| "validated".to_owned(), Failure::to_string);
    run.report.failure = failure;
    run.close(outcome, exit_code, line).await
}

async fn look(run: &mut Run<'_>) -> Result<(), Setback> {
    let (world, request) = (run.world, run.request);
    let release = &request.release;
    let history = async {
        let history = world.releases.history().await?;
        let newest = history.into_iter().max_by_key(|summary| summary.revision);
        let newest = newest.ok_or_else(|| Failure::new(FailureKind::NotFound, format!("{release} has no revision")))?;
        world.releases.record(newest.revision).await
    };
    let (record, traffic, specs) = join!(history, world.registry.read(), world.checks.specs());
    let record = record?;
    run.report.to_revision = Some(record.revision);
    let (traffic, specs) = (traffic?, specs?);
    run.report.traffic_before = Some(traffic.clone());
    run.report.traffic_after = Some(traffic.clone());
    run.report.checks_planned.clone_from(&specs);
    let preflight = world.workloads.preflight(&record, &record).await?;
    let mut problems = Vec::new();
    problems.extend(status_problem(request, record.revision, record.status));

    let budget = Duration::from_secs(preflight.startup_budget_seconds);
    let deadline = request.deadlines.readiness.unwrap_or(budget);
    let doing = format!("waiting until revision {} serves", record.revision);
    let step = run.begin(StateName::Ready, doing, Some(deadline));
    let ready = serving(run, &record, deadline).await?;
    let drift = unless_asked_to_stop(world.interrupt, world.workloads.drift(&record)).await??;
    let mut evidence = ready.evidence;
    match equals_manifest(&record, drift) {
        Ok(lines) => evidence.extend(lines),
        Err(failure) => problems.push(failure),
    }
    run.mark(step, evidence);

    let in_traffic = traffic.status == TrafficStatus::Enabled;
    let model = preflight.model.as_deref();
    let context = context(request, model, &record, &ready.pods, traffic.status.word());
    let phases = [
        (Phase::Direct, StateName::Validated, "checking the pods"),
        (Phase::Routed, StateName::Confirmed, "checking through the router"),
    ];
    for (phase, state, doing) in phases {
        if phase == Phase::Routed && !in_traffic {
            let word = traffic.status.word();
            run.note(format!("checks through the router did not run: the model is {word}"));
            continue;
        }
        let step = run.begin(state, doing, None);
        match checks_pass(run, &specs, phase, &context).await {
            Ok(evidence) => run.mark(step, evidence),
            Err(Setback::CheckFailed(failure)) => problems.push(failure),
            Err(other) => return Err(other),
        }
    }
    let now = unless_asked_to_stop(world.interrupt, world.workloads.serving_pods(&record));
    let (now, again) = try_join!(now, async { Ok(world.registry.read().await) })?;
    if let Ok(again) = again {
        run.report.traffic_after = Some(again);
    }
    problems.extend(changed_pods(release, &ready.pods, &now?));
    first_of(problems)
}

fn status_problem(request: &Request, revision: Revision, status: ReleaseStatus) -> Option<Failure> {
    (status != ReleaseStatus::Deployed).then(|| {
        Failure::new(
            FailureKind::Refused,
            format!("revision {revision} is {status}, not deployed"),
        )
        .next(request.release.command("plan", ""))
    })
}

fn first_of(problems: Vec<Failure>) -> Result<(), Setback> {
    let mut problems = problems.into_iter();
    let Some(mut first) = problems.next() else {
        return Ok(());
    };
    for other in problems {
        first.why.push(format!("also: {other}"));
        first.next.extend(other.next);
    }
    Err(Setback::CheckFailed(first))
}
