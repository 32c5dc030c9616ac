//! What a plan says, and what in it refuses.

use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::plan::Plan;
use vllm_rollback_engine::release::{ApplyMethod, Hook};
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_engine::request::Override;
use vllm_rollback_engine::workload::{Finding, Severity};
use vllm_rollback_engine::{plan, refusal, rollback};

use crate::gitops;
use crate::sim::build::crashed;
use crate::sim::{Client, Sim, finish};

fn finding(severity: Severity, subject: &str) -> Finding {
    Finding {
        severity,
        subject: subject.into(),
        message: format!("{subject} says so"),
        next: vec![format!("fix {subject}")],
    }
}

fn planned(client: &Client) -> Plan {
    finish(client, plan(&client.world(), &client.request)).unwrap().unwrap()
}

fn with_findings(findings: &[Finding]) -> Sim {
    let sim = crashed();
    sim.world().findings = findings.to_vec();
    sim
}

#[test]
fn a_gitops_owner_comes_first_among_what_refuses_and_the_others_are_told_too() {
    let client = Client::new(
        &with_findings(&[
            finding(Severity::Refuse, "gpu-room"),
            finding(Severity::Warning, "hpa"),
            finding(Severity::Refuse, "gitops"),
            finding(Severity::Refuse, "images"),
        ]),
        "run-1",
    );
    let failure = refusal(&planned(&client)).unwrap();
    assert_eq!(
        (failure.kind, failure.what.as_str()),
        (FailureKind::GitOps, "gitops says so")
    );
    assert_eq!(failure.why, ["also: gpu-room says so", "also: images says so"]);
    assert_eq!(failure.next, ["fix gpu-room", "fix gitops", "fix images"]);
}

#[test]
fn fewer_replicas_are_accepted_by_their_own_name_only() {
    let sim = gitops::owned(with_findings(&[finding(Severity::Refuse, "autoscaler")]), None);
    let ignoring = Client::new(&sim, "run-1").asking(|request| {
        request.accept.insert(Override::GitOps);
    });
    assert_eq!(refusal(&planned(&ignoring)).unwrap().what, "autoscaler says so");
    let both = Client::new(&sim, "run-1").asking(|request| {
        request.accept.extend([Override::GitOps, Override::FewerReplicas]);
    });
    let plan = planned(&both);
    assert_eq!(refusal(&plan), None);
    let accepted = Finding {
        severity: Severity::Warning,
        subject: "autoscaler".into(),
        message: "autoscaler says so; accepted by --accept-fewer-replicas".into(),
        next: vec!["fix autoscaler".into()],
    };
    assert!(
        plan.preflight.findings.contains(&accepted),
        "{:?}",
        plan.preflight.findings
    );
}

#[test]
fn without_a_gitops_owner_the_first_refusal_is_the_one() {
    let findings = [
        finding(Severity::Refuse, "gpu-room"),
        finding(Severity::Refuse, "images"),
    ];
    let failure = refusal(&planned(&Client::new(&with_findings(&findings), "run-1"))).unwrap();
    assert_eq!(
        (failure.kind, failure.what.as_str()),
        (FailureKind::Refused, "gpu-room says so")
    );
    assert_eq!(failure.why, ["also: images says so"]);
    let warnings = [finding(Severity::Warning, "gpu-room"), finding(Severity::Ok, "gitops")];
    assert_eq!(
        refusal(&planned(&Client::new(&with_findings(&warnings), "run-1"))),
        None
    );
}

#[test]
fn a_gitops_owner_that_is_accepted_is_still_said_and_nothing_else_is_accepted_with_it() {
    let accepting = |findings: &[Finding]| {
        Client::new(&with_findings(findings), "run-1").asking(|request| {
            request.accept.insert(Override::GitOps);
        })
    };
    let report = accepting(&[finding(Severity::Refuse, "gitops"), finding(Severity::Warning, "hpa")]).report();
    assert_eq!(report.outcome, StateName::Done);
    assert!(
        report
            .notes
            .contains(&"gitops says so; accepted by --gitops=ignore".to_owned()),
        "{:?}",
        report.notes
    );
    assert!(report.next.contains(&"fix gitops".to_owned()), "{:?}", report.next);
    assert!(
        report.notes.iter().all(|note| !note.contains("hpa")),
        "the plan said it: {:?}",
        report.notes
    );
    let report = accepting(&[
        finding(Severity::Refuse, "gitops"),
        finding(Severity::Refuse, "gpu-room"),
    ])
    .report();
    assert_eq!(report.exit_code, ExitCode::Refused);
    assert_eq!(report.failure.unwrap().what, "gpu-room says so");
    let report = accepting(&[finding(Severity::Ok, "gitops")]).report();
    assert!(
        report.notes.iter().all(|note| !note.contains("gitops")),
        "{:?}",
        report.notes
    );
}

#[test]
fn helm_writes_client_side_only_where_the_gate_needs_it_and_helm_would_not() {
    let is_client_side = |method, is_helm_3| {
        let sim = crashed();
        sim.world().is_helm_3 = is_helm_3;
        sim.world().records[0].apply_method = method;
        let client = Client::new(&sim, "run-1");
        let said = planned(&client).client_side;
        client.report();
        assert_eq!(sim.world().orders[0].client_side, said);
        said
    };
    assert!(is_client_side(ApplyMethod::ServerSide, false));
    assert!(!is_client_side(ApplyMethod::ClientSide, false));
    assert!(!is_client_side(ApplyMethod::ServerSide, true));
}

#[test]
fn hooks_that_the_rollback_would_run_are_named() {
    let sim = crashed();
    let hook = |name: &str, events: &[&str]| Hook {
        name: name.into(),
        kind: "Job".into(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        began_only: false,
    };
    sim.world().records[0].hooks = vec![
        hook("after", &["post-upgrade", "post-rollback"]),
        hook("before", &["pre-rollback"]),
        hook("smoke", &["test"]),
    ];
    let plan = planned(&Client::new(&sim, "run-1"));
    assert_eq!(plan.hooks, ["pre-rollback Job/before", "post-rollback Job/after"]);
    assert_eq!(planned(&Client::new(&crashed(), "run-1")).hooks, [] as [String; 0]);
}

#[test]
fn a_target_that_was_written_anew_makes_the_plan_stale() {
    let sim = crashed();
    let client = Client::new(&sim, "run-1");
    let old = planned(&client);
    sim.world().records[0].manifest_sha256 = "sha-other".into();
    let report = finish(&client, rollback(&client.world(), &client.request, old)).unwrap();
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Stale)
    );
    let text = report.failure.unwrap().to_string();
    assert!(text.contains("revision 1 has another manifest"), "{text}");
    assert!(
        text.contains("it was made for revision 2 (deployed), with the model enabled in the registry"),
        "{text}"
    );
    assert_eq!(
        report.next[0],
        "look at the new plan: kubectl vllm-rollback plan llama -n prod"
    );
}
