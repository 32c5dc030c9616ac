//! What an operator is told: evidence for every state, each wait before it begins, notes, warnings, times and next steps.

use std::time::Duration;

use vllm_rollback_engine::check::Outcome;
use vllm_rollback_engine::event::Event;
use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::release::Hook;
use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_engine::traffic::TrafficStatus;

use crate::sim::build::{crashed, crashed_with};
use crate::sim::{Client, Fault, Health, HelmEnd, Sim, Trouble};

/// Returns the evidence that was reported for a state.
pub(crate) fn evidence(report: &RunReport, name: StateName) -> &[String] {
    let state = report.states.iter().find(|state| state.name == name);
    &state
        .unwrap_or_else(|| panic!("{name} was not reached: {:?}", report.failure))
        .evidence
}

#[track_caller]
fn assert_said(lines: &[String], part: &str) {
    assert!(
        lines.iter().any(|line| line.contains(part)),
        "{part:?} is not in {lines:#?}"
    );
}

#[test]
fn a_report_tells_which_run_of_which_release_it_is() {
    let client = Client::new(&crashed(), "run-1").asking(|request| request.tool_version = "1.2.3".to_owned());
    let report = client.report();
    let request = &client.request;
    assert_eq!(
        (&report.run_id, &report.tool_version, &report.reason, &report.by),
        (
            &request.run_id,
            &request.tool_version,
            &request.reason,
            &Some(request.by.clone())
        )
    );
    assert_eq!((report.release.as_str(), report.namespace.as_str()), ("llama", "prod"));
}

#[test]
fn the_evidence_of_each_state_is_what_was_seen() {
    let report = Client::new(&crashed(), "run-1").report();
    for (state, lines) in [
        (
            StateName::Planned,
            ["revision 2 (deployed) → revision 1, manifest sha256:sha-good"].as_slice(),
        ),
        (
            StateName::Locked,
            &[
                "Lease held by run-1",
                "revision 2 is still the newest, and enabled in traffic",
            ],
        ),
        (
            StateName::Fenced,
            &["no endpoint", "requests in flight: 0", "llama-1: 0 running, 0 waiting"],
        ),
        (
            StateName::RolledBack,
            &["revision 3 is deployed with the manifest of revision 1, sha256:sha-good"],
        ),
        (
            StateName::Ready,
            &[
                "Deployment/llama: 1/1 updated and available",
                "live objects equal the manifest, sha256:sha-good",
                "still fenced: no endpoint",
            ],
        ),
        (
            StateName::Validated,
            &["completion passed: Pass", "the same pod serve as before the checks"],
        ),
        (
            StateName::Unfenced,
            &["the registry says enabled again", "as before: enabled"],
        ),
        (StateName::Confirmed, &["router-e2e passed: Pass"]),
        (
            StateName::Done,
            &["revision 1 serves again in place of revision 2; the model is enabled, as before"],
        ),
    ] {
        let seen = evidence(&report, state);
        for line in lines {
            assert!(
                seen.iter().any(|one| one == line),
                "{state}: {line:?} is not in {seen:#?}"
            );
        }
    }
}

#[test]
fn each_step_is_announced_before_it_is_reached_and_says_how_long_it_may_take() {
    let client = Client::new(&crashed(), "run-1");
    let report = client.report();
    let events = client.happened();
    for name in report
        .states
        .iter()
        .map(|state| state.name)
        .filter(|name| *name != StateName::Planned)
    {
        let entering = events
            .iter()
            .position(|event| matches!(event, Event::Entering { state, .. } if *state == name));
        let reached = events
            .iter()
            .position(|event| matches!(event, Event::Reached { state, .. } if *state == name));
        assert!(entering.unwrap_or(usize::MAX) < reached.unwrap(), "{name}");
    }
    let waits = |wanted: &str| {
        events.iter().any(|event| {
            matches!(event, Event::Entering { doing, deadline_seconds, .. }
                if format!("{doing} for {}", deadline_seconds.unwrap_or(0)) == wanted)
        })
    };
    assert!(waits("taking the model out of traffic for 150"));
    assert!(waits("letting requests in flight end for 30"));
    assert!(waits("helm rollback llama 1 for 300"));
    assert!(waits("waiting until revision 3 serves for 60"));
}

#[test]
fn times_count_from_the_command_and_leave_the_time_out_that_a_person_took() {
    let client = Client::new(&crashed(), "run-1").asking(|request| request.planning = Duration::from_secs(5));
    client.sim.world().milliseconds = 86_400_000;
    let report = client.report();
    let calls = client.calls.lock().unwrap();
    // Each call takes 10 ms; the run itself begins with the lock.
    let planned = calls.iter().position(|call| *call == "acquire").unwrap();
    let run = (calls.len() - planned) as f64 / 100.0;
    assert!(
        (report.seconds - (5.0 + run)).abs() < 1e-6,
        "{} of {run}",
        report.seconds
    );
    assert!((report.states[0].seconds - 5.0).abs() < 1e-6);
    let mut before = 5.0;
    for state in &report.states[1..] {
        assert!(
            state.at_seconds >= before && state.at_seconds <= report.seconds,
            "{state:?}"
        );
        before = state.at_seconds;
    }
    let spent: f64 = report.states.iter().map(|state| state.seconds).sum();
    assert!(spent > 5.1 && spent <= report.seconds + 1e-6, "{spent}");
}

#[test]
fn what_is_noted_or_warned_is_said_at_once_and_is_in_the_report() {
    let client = Client::new(&crashed(), "run-1")
        .with(Trouble::Every("keep"), Fault::Fails(FailureKind::External))
        .with(Trouble::Every("release"), Fault::Fails(FailureKind::Unreachable));
    client.sim.world().traffic = Some(TrafficStatus::Disabled);
    let report = client.report();
    let events = client.happened();
    for (text, is_warning) in [
        (
            "the model was disabled in the registry before the run, and stays so",
            false,
        ),
        ("the evidence could not be kept: keep failed", true),
        (
            "the lock could not be given back and runs out by itself: release failed",
            true,
        ),
    ] {
        assert_said(&report.notes, text);
        let said = |event: &Event| match event {
            Event::Warning { text: said } => is_warning && said == text,
            Event::Note { text: said } => !is_warning && said == text,
            _ => false,
        };
        assert!(events.iter().any(said), "{text}");
    }
}

#[test]
fn a_failure_is_said_when_it_happens_and_again_at_the_end() {
    let client = Client::new(&crashed_with(Health::CRASHING), "run-1");
    let report = client.report();
    let failure = report.failure.unwrap();
    let events = client.happened();
    let said = events.iter().position(
        |event| matches!(event, Event::Failed { failure } if failure.what == "revision 3 will not get ready"),
    );
    assert!(said.is_some_and(|at| at < events.len() - 1), "{failure}");
}

#[test]
fn requests_that_the_drain_cannot_wait_for_are_counted() {
    let sim = crashed();
    sim.world().late_requests = 7;
    let report = Client::new(&sim, "run-1").report();
    assert_said(evidence(&report, StateName::Fenced), "requests in flight: 7");
    assert_said(
        &report.notes,
        "7 requests were still in flight after 30 s; they break when the pods of revision 2 are replaced",
    );
    let report = Client::new(&crashed(), "run-1").report();
    assert!(
        report.notes.iter().all(|note| !note.contains("in flight")),
        "{:?}",
        report.notes
    );
}

#[test]
fn pods_that_cannot_be_asked_do_not_keep_a_bad_revision() {
    let client = Client::new(&crashed(), "run-1").with(Trouble::Every("drain"), Fault::Fails(FailureKind::Unreachable));
    let report = client.report();
    assert_eq!(report.outcome, StateName::Done);
    assert_said(evidence(&report, StateName::Fenced), "requests in flight: unknown");
    assert_said(
        &report.notes,
        "how many requests are in flight is unknown: drain failed",
    );
}

#[test]
fn a_hold_says_what_the_registry_said() {
    let client = Client::new(&crashed_with(Health::CRASHING), "run-1");
    let report = client.report();
    let stops = client
        .calls
        .lock()
        .unwrap()
        .iter()
        .filter(|call| **call == "stop")
        .count();
    assert_eq!(stops, 1, "it was out already");
    let seen = evidence(&report, StateName::Held);
    assert_said(seen, "the registry says disabled (sim)");
    assert!(seen.iter().all(|line| !line.contains("not proved")), "{seen:?}");
    let unproved =
        Client::new(&crashed(), "run-1").with(Trouble::Every("confirm_stopped"), Fault::Fails(FailureKind::Timeout));
    let report = unproved.report();
    assert_eq!(report.outcome, StateName::Held);
    assert_said(
        evidence(&report, StateName::Held),
        "that routers and caches followed is not proved",
    );
    assert!(unproved.sim.world().orders.is_empty(), "Helm waits for the proof");
}

/// A run in which Helm fails and the registry cannot be read when the model is to be held.
fn blind_at_the_end(first: &Client) -> Client {
    first.report();
    let at = first.last_call("read");
    let mut blind = Client::new(&crashed(), "run-1");
    blind.faults.clone_from(&first.faults);
    blind.with(Trouble::Call(at), Fault::Fails(FailureKind::Unreachable))
}

#[test]
fn a_hold_that_nobody_could_look_at_rests_on_the_proof_from_before_or_is_unknown() {
    let failing =
        Client::new(&crashed(), "run-1").with(Trouble::Every("rollback"), Fault::Fails(FailureKind::External));
    let report = blind_at_the_end(&failing).report();
    assert_eq!(report.outcome, StateName::Held);
    assert_said(
        evidence(&report, StateName::Held),
        "proved to be out of traffic earlier in this run",
    );
    assert_eq!(report.traffic_after, None, "it was not seen");
    let unproved =
        Client::new(&crashed(), "run-1").with(Trouble::Every("confirm_stopped"), Fault::Fails(FailureKind::Timeout));
    let report = blind_at_the_end(&unproved).report();
    assert_eq!(report.outcome, StateName::Unknown);
    assert_said(
        evidence(&report, StateName::Unknown),
        "whether the model is in traffic is not known",
    );
}

#[test]
fn a_model_that_is_taken_out_again_is_seen_to_be_out() {
    let client = Client::new(
        &crashed_with(Health {
            routed: Outcome::Fail,
            ..Health::GOOD
        }),
        "run-1",
    );
    let report = client.report();
    assert_said(evidence(&report, StateName::Held), "no endpoint");
    let again = Event::Note {
        text: "the model is out of traffic again".into(),
    };
    assert!(client.happened().contains(&again));
}

#[test]
fn an_interruption_names_both_ways_out_first() {
    let sim = crashed();
    let mut client = Client::new(&sim, "run-1");
    client.interrupt_at = Some(30);
    let report = client.report();
    assert_eq!(report.outcome, StateName::Held);
    assert_eq!(report.next[0], "finish it: kubectl vllm-rollback resume llama -n prod");
    assert_eq!(
        report.next[1],
        "or end it as it is: kubectl vllm-rollback abort llama -n prod"
    );
    let report = Client::new(&crashed_with(Health::CRASHING), "run-1").report();
    assert_said(
        &report.next,
        "once the trouble is gone, continue: kubectl vllm-rollback llama -n prod",
    );
    assert!(
        !report.next.contains(&"kubectl vllm-rollback llama -n prod".to_owned()),
        "said once"
    );
}

#[test]
fn a_run_whose_end_is_not_in_the_memory_says_what_the_next_one_is_refused_for() {
    let count = Client::new(&crashed(), "count");
    count.report();
    let at = Trouble::Call(count.last_call("remember"));
    let report = Client::new(&crashed(), "run-1")
        .with(at, Fault::Fails(FailureKind::Unreachable))
        .report();
    assert_eq!(report.outcome, StateName::Done);
    assert_said(
        &report.notes,
        "later runs cannot see how this one ended: remember failed",
    );
    let ways_out = [
        "finish it: kubectl vllm-rollback resume llama -n prod",
        "or end it in a safe state: kubectl vllm-rollback abort llama -n prod",
    ];
    assert_eq!(report.next[..2], ways_out);
    // A memory that this run never wrote names no unfinished run.
    let unwritten =
        Client::new(&crashed(), "run-1").with(Trouble::Every("remember"), Fault::Fails(FailureKind::Unreachable));
    let report = unwritten.report();
    assert_eq!(unwritten.sim.world().memory.runs, []);
    assert!(!report.next.contains(&ways_out[0].to_owned()), "{:?}", report.next);
}

#[test]
fn helms_last_words_and_exit_code_are_told_beside_what_its_record_says() {
    let failing = |end: HelmEnd| {
        let sim = crashed();
        sim.world().helm_ends.push_back(end);
        Client::new(&sim, "run-1").report()
    };
    let report = failing(HelmEnd::FailedWithoutMark);
    assert!(
        report.next.iter().all(|step| !step.contains("--accept-pending")),
        "{:?}",
        report.next
    );
    let text = report.failure.unwrap().to_string();
    assert!(text.contains("revision 3 is failed: cannot patch \"llama\""), "{text}");
    assert!(!text.contains("another field manager"), "{text}");
    let report = failing(HelmEnd::Pending);
    assert_said(&report.next, "kubectl vllm-rollback llama -n prod --accept-pending");
    let failure = report.failure.unwrap();
    assert!(
        failure.to_string().contains("revision 3 is pending-rollback"),
        "{failure}"
    );
}

#[test]
fn a_hook_that_kept_helm_from_its_end_is_named_with_what_was_applied_by_then() {
    let failing = |kind: &str, event: &str, began_only| {
        let sim = crashed();
        sim.world().helm_ends.push_back(HelmEnd::Pending);
        sim.world().records[0].hooks = vec![Hook {
            name: "x".into(),
            kind: kind.into(),
            events: vec![event.into()],
            began_only,
        }];
        let report = Client::new(&sim, "run-1").report();
        (vec![report.failure.unwrap().to_string()], report.next)
    };
    let (why, next) = failing("Job", "pre-rollback", true);
    assert_said(
        &why,
        "its pre-rollback hook Job/x did not succeed, and nothing of the target was applied",
    );
    assert_said(&next, "kubectl logs job/x -n prod");
    let (why, next) = failing("Pod", "post-rollback", true);
    assert_said(
        &why,
        "its post-rollback hook Pod/x did not succeed, and the target's objects were applied before it",
    );
    assert_said(&next, "kubectl describe pod/x -n prod");
    for (event, began_only) in [("pre-upgrade", true), ("pre-rollback", false)] {
        let (why, _) = failing("Job", event, began_only);
        assert_said(
            &why,
            "the manifest is not understood by this cluster, or helm was cut off",
        );
    }
}

#[test]
fn a_field_of_another_manager_is_named_with_the_way_to_write_over_it() {
    let sim = crashed();
    sim.world().helm_ends.push_back(HelmEnd::FieldOfAnother);
    let report = Client::new(&sim, "run-1").report();
    let why = report.failure.unwrap().to_string();
    assert!(
        why.contains("kubectl-edit") && why.contains("another field manager owns what the target sets"),
        "{why}"
    );
    assert_said(&report.next, "helm rollback llama 1 -n prod --server-side=false");
}

#[test]
fn a_registry_that_cannot_be_read_once_more_is_no_longer_reported() {
    let count = Client::new(&crashed(), "count");
    count.report();
    let at = count.last_call("read");
    let sim: Sim = crashed();
    let client = Client::new(&sim, "run-1").with(Trouble::Call(at), Fault::Fails(FailureKind::Unreachable));
    let report = client.report();
    assert_eq!((report.outcome, report.traffic_after), (StateName::Done, None));
    assert_said(&report.notes, "the registry could not be read once more: read failed");
}

#[test]
fn an_exit_code_of_helm_is_a_note_only_where_it_is_not_zero() {
    let report = Client::new(&crashed(), "run-1").report();
    assert!(
        report.notes.iter().all(|note| !note.contains("helm ended with")),
        "{:?}",
        report.notes
    );
    let sim = crashed();
    sim.world().helm_exit_code = Some(1);
    let report = Client::new(&sim, "run-1").report();
    assert_eq!(report.outcome, StateName::Done);
    assert_said(
        &report.notes,
        "helm ended with exit code 1, but its record says that the rollback was done",
    );
}

#[test]
fn a_helm_that_nobody_could_follow_made_a_revision_or_did_not() {
    let lost = |kind| {
        let client = Client::new(&crashed(), "run-1").with(Trouble::Every("rollback"), Fault::Fails(kind));
        let failure = client.report().failure.unwrap();
        assert_eq!(client.sim.world().records.len(), 2);
        failure.to_string()
    };
    // The newest record is looked at, and is the one from before.
    for kind in [FailureKind::Unreachable, FailureKind::Internal, FailureKind::External] {
        let text = lost(kind);
        assert!(
            text.ends_with("Helm made no new revision, so the pods are still those of the bad one"),
            "{text}"
        );
    }
}
