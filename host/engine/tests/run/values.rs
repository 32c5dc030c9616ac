//! Words and numbers that others rely on: Helm's statuses, exit codes, states, the plan's digest, a driver's defaults.

use std::time::Duration;

use async_trait::async_trait;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::check::Phase;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::plan::{Plan, digest};
use vllm_rollback_engine::ports::Registry;
use vllm_rollback_engine::ports::drivers::RouterClient;
use vllm_rollback_engine::release::{ReleaseStatus, Revision};
use vllm_rollback_engine::report::{ExitCode, StateName};
use vllm_rollback_engine::resume::Decision;
use vllm_rollback_engine::traffic::{Stop, TrafficState, TrafficStatus};
use vllm_rollback_engine::workload::{PodSplit, ServingPod};
use vllm_rollback_engine::{plan, unlock};
use vllm_rollback_objects::http;

use crate::sim::build::{crashed, record, traffic};
use crate::sim::{Client, finish};

#[test]
fn helms_words_for_a_status_are_read_and_written_alike() {
    use ReleaseStatus::{
        Deployed, Failed, PendingInstall, PendingRollback, PendingUpgrade, Superseded, Uninstalled, Uninstalling,
        Unknown,
    };
    for (word, status) in [
        ("deployed", Deployed),
        ("superseded", Superseded),
        ("failed", Failed),
        ("pending-install", PendingInstall),
        ("pending-upgrade", PendingUpgrade),
        ("pending-rollback", PendingRollback),
        ("uninstalling", Uninstalling),
        ("uninstalled", Uninstalled),
        ("unknown", Unknown),
    ] {
        assert_eq!(ReleaseStatus::parse(word), status);
        assert_eq!(status.to_string(), word);
        assert_eq!(status.is_pending(), word.starts_with("pending-"), "{word}");
    }
    assert_eq!(
        ReleaseStatus::parse("Deployed"),
        Unknown,
        "Helm writes it in lower case"
    );
}

#[test]
fn a_revision_tells_the_model_that_clients_ask_for() {
    let workload = |args: &str| {
        let container = format!("{{name: vllm, image: vllm, args: [{args}]}}");
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: llama}}\nspec: {{template: {{spec: {{containers: [{container}]}}}}}}\n"
        )
    };
    let of = |manifest: &str| record(1, ReleaseStatus::Deployed, manifest).served_model();
    assert_eq!(
        of(&workload("--served-model-name, llama")),
        Ok(Some("llama".to_owned()))
    );
    assert_eq!(of(&workload("--port, '8000'")), Ok(None));
    assert_eq!(of("a: [").unwrap_err().kind, FailureKind::Invalid);
}

#[test]
fn an_exit_code_and_its_number_name_each_other() {
    let numbers: Vec<_> = ExitCode::ALL.iter().map(|code| code.number()).collect();
    assert_eq!(numbers, [0, 1, 2, 10, 11, 12, 13, 14, 15]);
    for code in ExitCode::ALL {
        assert_eq!(
            (i32::from(code), ExitCode::try_from(code.number())),
            (code.number(), Ok(code))
        );
    }
    assert_eq!(ExitCode::try_from(3).unwrap_err(), "no exit code 3");
}

#[test]
fn states_and_decisions_are_shown_by_their_words() {
    assert_eq!(
        format!("{}, {}", StateName::RolledBack, StateName::Held),
        "rolled-back, held"
    );
    assert_eq!(format!("{:<8}{}", Phase::Direct, Phase::Observe), "direct  observe");
    let words = [Decision::Done, Decision::Redo, Decision::Compensate].map(|decision| decision.to_string());
    assert_eq!(words, ["done", "redo", "compensate"]);
    let words = [
        TrafficStatus::Enabled,
        TrafficStatus::Disabled,
        TrafficStatus::Other("degraded".into()),
    ];
    assert_eq!(
        words.each_ref().map(TrafficStatus::as_str),
        ["enabled", "disabled", "degraded"]
    );
}

#[test]
fn a_plan_has_another_digest_when_anything_changes_that_it_rests_on() {
    let client = Client::new(&crashed(), "run-1");
    let first = finish(&client, plan(&client.world(), &client.request))
        .unwrap()
        .unwrap();
    assert_eq!((first.digest.len(), digest(&first)), (64, first.digest.clone()));
    let changes: [fn(&mut Plan); 9] = [
        |plan| plan.release.name.push('x'),
        |plan| plan.current.revision = Revision(9),
        |plan| plan.current.status = ReleaseStatus::Failed,
        |plan| plan.target = Revision(9),
        |plan| plan.target_manifest_sha256.push('x'),
        |plan| plan.client_side = !plan.client_side,
        |plan| plan.traffic.status = TrafficStatus::Disabled,
        |plan| plan.continues = Some("run-0".into()),
        |plan| plan.checks[0].required = false,
    ];
    for change in changes {
        let mut other = first.clone();
        change(&mut other);
        assert_ne!(digest(&other), first.digest);
    }
    let mut other = first.clone();
    other.preflight.findings.clear();
    other.traffic.evidence.push("read a second later".into());
    assert_eq!(digest(&other), first.digest, "what changes by itself is left out");
}

/// A driver that says nothing of its own where it need not.
struct Terse;

#[async_trait]
impl Registry for Terse {
    fn driver(&self) -> &'static str {
        "terse"
    }

    fn needs_client_side_rollback(&self) -> bool {
        false
    }

    async fn read(&self) -> Result<TrafficState, Failure> {
        Ok(traffic(TrafficStatus::Disabled, false))
    }

    async fn stop(&self, _: &Stop<'_>) -> Result<(), WriteError> {
        Ok(())
    }

    async fn confirm_stopped(&self, _: &Stop<'_>, _: Duration) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }

    async fn restore(&self, _: &TrafficState) -> Result<(), WriteError> {
        Ok(())
    }

    async fn confirm_resumed(&self, _: &TrafficState, _: Duration) -> Result<Vec<String>, Failure> {
        Ok(Vec::new())
    }
}

#[test]
fn a_driver_that_says_no_more_than_it_must_can_enable_and_adds_nothing_to_the_report() {
    let client = Client::new(&crashed(), "run-1");
    let enabled = Terse.enabled(&traffic(TrafficStatus::Disabled, true)).unwrap();
    assert_eq!(enabled.status, TrafficStatus::Enabled);
    assert_eq!(enabled.token, traffic(TrafficStatus::Disabled, true).token);
    assert_eq!(finish(&client, Terse.post_run_notes()), Some(Vec::new()));
    let stopped = traffic(TrafficStatus::Disabled, false);
    assert!(!finish(&client, Terse.revert_partial_stop(&stopped)).unwrap().unwrap());
    assert_eq!(Terse.driver(), "terse");
}

/// A way to routers on which nothing is seen of how they were started.
struct Blind;

#[async_trait]
impl RouterClient for Blind {
    async fn replicas(&self) -> Result<Vec<String>, Failure> {
        Ok(vec!["router".into()])
    }

    async fn send(&self, _: &str, _: &http::Request) -> Result<http::Response, Failure> {
        Ok(http::Response::default())
    }
}

#[test]
fn a_router_of_which_nothing_is_seen_was_started_with_no_arguments() {
    let client = Client::new(&crashed(), "run-1");
    let arguments = finish(&client, Blind.arguments("router")).unwrap().unwrap();
    assert_eq!(arguments, [] as [String; 0]);
}

#[test]
fn a_driver_that_says_nothing_of_single_pods_retains_none() {
    let client = Client::new(&crashed(), "run-1");
    let can = finish(&client, Terse.assert_can_retain()).unwrap().unwrap_err();
    assert!(
        can.to_string().contains("the terse driver takes the whole model"),
        "{can}"
    );
    let retained = finish(&client, Terse.retain(&[])).unwrap().unwrap_err();
    assert_eq!(retained.kind, FailureKind::Refused);
}

#[test]
fn what_stands_is_told_with_names_and_numbers() {
    let pod = |name: &str, ready| ServingPod {
        name: name.to_owned(),
        uid: name.to_owned(),
        revision_hash: "h".into(),
        ready,
        restarts: 0,
        port: 8000,
        images: Vec::new(),
        ip: None,
    };
    let standing = PodSplit {
        good: vec![pod("a", true), pod("b", true)],
        others: vec![pod("c", false)],
    };
    assert_eq!(
        standing.sentence(),
        "2 pods ready with what the target asks for (a; b), 1 pod with something else (c, not ready)"
    );
}

#[test]
fn unlocking_says_who_was_put_out_or_that_nobody_was() {
    use crate::sim::{Fault, Trouble};
    let sim = crashed();
    let client = Client::new(&sim, "run-1");
    let unlocked = |client: &Client, force| finish(client, unlock(&client.world(), &client.request, force)).unwrap();
    let last = |report: &vllm_rollback_engine::report::RunReport| report.states.last().unwrap().evidence.clone();
    let report = unlocked(&client, false);
    assert_eq!(
        (report.outcome, last(&report)),
        (StateName::Done, vec!["nobody held the lock".to_owned()])
    );
    sim.world().lock = Some(("run-0".into(), "first come".into()));
    sim.world().dead.insert("run-0".into());
    let report = unlocked(&client, false);
    assert_eq!(
        (report.outcome, last(&report)),
        (StateName::Done, vec!["run run-0 held it".to_owned()])
    );
    // One that nobody could look at stays where it is.
    sim.world().lock = Some(("run-0".into(), "first come".into()));
    let blind = Client::new(&sim, "run-2").with(Trouble::Every("assert_dead"), Fault::Fails(FailureKind::Unreachable));
    let report = unlocked(&blind, false);
    assert_eq!(
        (report.outcome, report.exit_code),
        (StateName::Unchanged, ExitCode::Refused)
    );
    assert!(sim.world().lock.is_some());
}
