//! `validate`: the checks alone, on what runs now. Changes nothing.

use std::time::Duration;

use futures::{join, try_join};

use crate::check::Phase;
use crate::context::RunContext;
use crate::failure::Failure;
use crate::ports::Ports;
use crate::release::{ReleaseStatus, Revision};
use crate::report::{ExitCode, RunReport, StateName};
use crate::request::Request;
use crate::run_checks::{changed_pods, checks_pass, context};
use crate::states::ready::{equals_manifest, serving};
use crate::step_error::StepError;
use crate::traffic::TrafficStatus;
use crate::wait::or_interrupted;

/// Runs the direct checks, and the routed ones when the model is in traffic, on the current revision. Takes no lock
/// and writes nothing. Exit 0 when the release is as its manifest says and every required check passed, else 1.
pub async fn validate(ports: &Ports<'_>, request: &Request) -> RunReport {
    let mut run = RunContext::new(*ports, request);
    match inspect(&mut run).await {
        Ok(()) => {
            run.close(StateName::Done, ExitCode::Success, "validated".to_owned())
                .await
        }
        Err(error) => {
            let exit_code = error.exit_unchanged();
            let mut failure = error.into_failure("interrupted; nothing was changed");
            run.next = std::mem::take(&mut failure.next);
            run.say_failed(&StepError::Failed(failure.clone()));
            run.close_failed(StateName::Unchanged, exit_code, failure).await
        }
    }
}

async fn inspect(run: &mut RunContext<'_>) -> Result<(), StepError> {
    let (ports, request) = (run.ports, run.request);
    let release = &request.release;
    let history = async {
        let history = ports.releases.history().await?;
        let newest = history.into_iter().max_by_key(|summary| summary.revision);
        let newest = newest.ok_or_else(|| Failure::not_found(format!("{release} has no revision")))?;
        ports.releases.record(newest.revision).await
    };
    let (record, traffic, specs) = join!(history, ports.registry.read(), ports.checks.specs());
    let record = record?;
    run.write(|report| report.to_revision = Some(record.revision));
    let (traffic, specs) = (traffic?, specs?);
    run.found_traffic(&traffic);
    run.write(|report| report.checks_planned.clone_from(&specs));
    let preflight = ports.workloads.preflight(&record, &record).await?;
    let mut problems = Vec::new();
    problems.extend(status_problem(request, record.revision, record.status));

    let budget = Duration::from_secs(preflight.startup_budget_seconds);
    let deadline = request.deadlines.readiness.unwrap_or(budget);
    let doing = format!("waiting until revision {} serves", record.revision);
    let step = run.begin(StateName::Ready, doing, Some(deadline));
    let ready = serving(run, &record, deadline).await?;
    let drift = or_interrupted(ports.interrupt, ports.workloads.drift(&record)).await??;
    let mut evidence = ready.evidence;
    match equals_manifest(&record, drift) {
        Ok(lines) => evidence.extend(lines),
        Err(failure) => problems.push(failure),
    }
    run.mark(step, evidence);

    let in_traffic = traffic.status == TrafficStatus::Enabled;
    let model = preflight.model.as_deref();
    let context = context(request, model, &record, &ready.pods, traffic.status.as_str());
    let phases = [
        (Phase::Direct, StateName::Validated, "checking the pods"),
        (Phase::Routed, StateName::Confirmed, "checking through the router"),
    ];
    for (phase, state, doing) in phases {
        if phase == Phase::Routed && !in_traffic {
            let word = traffic.status.as_str();
            run.note(format!("checks through the router did not run: the model is {word}"));
            continue;
        }
        let step = run.begin(state, doing, None);
        match checks_pass(run, &specs, phase, &context).await {
            Ok(evidence) => run.mark(step, evidence),
            Err(StepError::CheckFailed(failure)) => problems.push(failure),
            Err(other) => return Err(other),
        }
    }
    let now = or_interrupted(ports.interrupt, ports.workloads.serving_pods(&record));
    let (now, again) = try_join!(now, async { Ok(ports.registry.read().await) })?;
    if let Ok(again) = again {
        run.saw_traffic(Some(&again));
    }
    problems.extend(changed_pods(release, &ready.pods, &now?));
    first_of(problems)
}

fn status_problem(request: &Request, revision: Revision, status: ReleaseStatus) -> Option<Failure> {
    (status != ReleaseStatus::Deployed).then(|| {
        Failure::refused(format!("revision {revision} is {status}, not deployed"))
            .next(request.release.command("plan", ""))
    })
}

fn first_of(problems: Vec<Failure>) -> Result<(), StepError> {
    let mut problems = problems.into_iter();
    let Some(mut first) = problems.next() else {
        return Ok(());
    };
    for other in problems {
        first.why.push(format!("also: {other}"));
        first.next.extend(other.next);
    }
    Err(StepError::CheckFailed(first))
}
