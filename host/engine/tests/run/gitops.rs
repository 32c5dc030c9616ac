//! A release that a GitOps controller owns, and a run that suspends it.

use serde_json::{Value, json};
use vllm_rollback_engine::journal::RecordKind;
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_engine::request::Override;
use vllm_rollback_engine::workload::{Finding, GitOpsOwner, Severity};

use crate::sim::build::{crashed, crashed_with};
use crate::sim::{Client, Fault, Health, Sim, Trouble};

const GO_ON: &str = "flux resume helmrelease llama -n prod";

pub(crate) fn owned(sim: Sim, hindrance: Option<&str>) -> Sim {
    let mut world = sim.world();
    world.findings.push(Finding {
        severity: Severity::Refuse,
        subject: "gitops".into(),
        message: "Flux owns the release".into(),
        next: vec!["suspend it".into()],
    });
    world.gitops = Some(GitOpsOwner {
        what: "Flux's HelmRelease prod/llama".into(),
        path: "/apis/helm.toolkit.fluxcd.io/v2/namespaces/prod/helmreleases/llama".into(),
        is_suspended: Some(false),
        stop: json!({"spec": {"suspend": true}}),
        restore: json!({"spec": {"suspend": Value::Null}}),
        hindrance: hindrance.map(str::to_owned),
        go_on: GO_ON.into(),
    });
    drop(world);
    sim
}

pub(crate) fn suspending(sim: &Sim) -> Client {
    Client::new(sim, "run-1").asking(|request| {
        request.accept.insert(Override::SuspendGitOps);
    })
}

fn says_how_to_go_on(next: &[String]) -> bool {
    next.iter().any(|step| step.contains(GO_ON))
}

#[test]
fn it_is_suspended_before_the_fence_and_written_down_first() {
    let sim = owned(crashed(), None);
    let report = suspending(&sim).report();
    assert_eq!((report.outcome, report.exit_code), (StateName::Done, ExitCode::Success));
    assert!(says_how_to_go_on(&report.next), "{:?}", report.next);
    let world = sim.world();
    assert_eq!(world.suspensions, 1);
    assert_eq!(world.violations, [] as [String; 0]);
    let at = |word: &str| {
        let is_it = |edge: &RecordKind| matches!(edge, RecordKind::Intent { key, .. } if key.starts_with(word));
        world.journal.iter().position(|entry| is_it(&entry.edge)).unwrap()
    };
    assert!(at("suspend ") < at("fence "));
    let RecordKind::Intent { data, .. } = &world.journal[at("suspend ")].edge else {
        unreachable!("an intent was looked for")
    };
    assert_eq!(data["gitops"]["restore"], json!({"spec": {"suspend": Value::Null}}));
    let seen = RecordKind::Observed {
        evidence: vec!["Flux's HelmRelease prod/llama is suspended".into()],
    };
    assert!(
        world.journal.iter().any(|entry| entry.edge == seen),
        "{:?}",
        world.journal
    );
}

#[test]
fn a_hold_leaves_it_suspended_and_says_so() {
    let sim = owned(crashed_with(Health::CRASHING), None);
    let report = suspending(&sim).report();
    assert_eq!(report.outcome, StateName::Held);
    assert!(says_how_to_go_on(&report.next), "{:?}", report.next);
}

#[test]
fn a_suspension_that_fails_leaves_the_model_alone_and_does_not_claim_that_nothing_changed() {
    let sim = owned(crashed(), None);
    let client = suspending(&sim).with(Trouble::Every("suspend"), Fault::LosesAnswer);
    let report = client.report();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    let evidence = &report.states.last().unwrap().evidence;
    assert!(evidence[0].contains("may be suspended"), "{evidence:?}");
    assert!(says_how_to_go_on(&report.next), "{:?}", report.next);
    assert_eq!(sim.world().orders, []);
}

#[test]
fn one_that_cannot_be_suspended_is_refused_before_anything_changes() {
    let sim = owned(crashed(), Some("this user may not patch it"));
    let report = suspending(&sim).report();
    assert_eq!(report.exit_code, ExitCode::GitOps);
    assert_eq!(sim.world().suspensions, 0);
}
