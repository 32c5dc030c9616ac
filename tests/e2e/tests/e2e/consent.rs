//! Nothing happens without consent, and stopping is always possible.

use std::io::Read;
use std::time::Duration;

use rustix::process::Signal;
use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_harness::helm::Major;

use crate::fixture::{CRASH, Model, RELEASE, assert_restored, until_said};

#[test]
fn without_a_terminal_and_without_yes_nothing_happens() {
    let model = Model::crashed("noyes", Major::Four);
    let ran = model.tool().run(&["rollback", RELEASE]).expect_code(1);
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
    assert_eq!(model.statuses().len(), 2, "nothing was rolled back");
}

#[test]
fn a_dry_run_changes_nothing() {
    let model = Model::crashed("dry", Major::Three);
    // Not the pods: the kubelet and the controllers go on with the crash loop meanwhile.
    let objects = || {
        let kinds = "service,deployment,configmap,secret,lease,serviceaccount";
        let versions = "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.generation}{\"\\n\"}{end}";
        let namespace = &model.namespace.name;
        model
            .namespace
            .kubectl()
            .run(&["get", kinds, "-n", namespace, "-o", versions])
    };
    let before = objects();
    let ran = model.tool().run(&["rollback", RELEASE, "--dry-run"]).expect_code(0);
    assert!(
        ran.stdout.contains("revision 1") || ran.stdout.contains("→ 1"),
        "{}",
        ran.stdout
    );
    assert_eq!(before, objects());
}

#[test]
fn ctrl_c_after_the_fence_leaves_a_stated_state_and_resume_finishes() {
    // A slow load keeps the run in its wait for readiness.
    let model = Model::good_with("ctrlc", Major::Four, &["faults.LOAD_SECONDS=6"]);
    model.upgrade(2, &[CRASH]);
    let mut running = model.tool().start(&["rollback", RELEASE, "--yes", "-o", "json"]);
    let mut stderr = until_said(&mut running, "rolled-back");
    running.signal(Signal::INT);
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        let _ = stderr.read_to_string(&mut rest);
        rest
    });
    let mut stdout = String::new();
    running
        .child()
        .stdout
        .take()
        .expect("stdout is piped")
        .read_to_string(&mut stdout)
        .expect("the report is text");
    assert_eq!(running.wait(Duration::from_secs(60)), Some(13), "{stdout}");
    let report: RunReport =
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{e}: {stdout} {}", rest.join().unwrap_or_default()));
    assert_eq!(report.outcome, StateName::Held);
    model.assert_out_of_traffic();
    assert!(
        report.next.iter().any(|step| step.contains("resume llama")),
        "{:?}",
        report.next
    );
    // From another machine: the journal in the cluster tells what was found before, and that a run is not finished.
    let elsewhere = model.tool().elsewhere();
    let refused = elsewhere.rollback(RELEASE, &[]).expect_code(13);
    assert!(refused.stderr.contains(&report.run_id), "{}", refused.stderr);
    let again = elsewhere
        .run(&["resume", RELEASE, "--yes", "-o", "json"])
        .expect_code(0)
        .report();
    assert_eq!(again.outcome, StateName::Done, "{:?}", again.failure);
    model.assert_serves(1);
    assert_eq!(
        model.statuses().len(),
        3,
        "the rollback was not made twice: {:?}",
        model.statuses()
    );
}

#[test]
fn ctrl_c_before_the_fence_changes_nothing() {
    let model = Model::crashed("ctrlcearly", Major::Four);
    let mut running = model.tool().start(&["rollback", RELEASE, "--yes", "-o", "json"]);
    let _stderr = until_said(&mut running, "planned");
    running.signal(Signal::INT);
    let code = running.wait(Duration::from_secs(60)).expect("it ends");
    // The fence follows at once, so the signal may come after it: both ends are stated ones.
    assert!([1, 13].contains(&code), "exit code {code}");
    if code == 1 {
        assert_eq!(model.statuses().len(), 2);
    }
    let verb = if code == 13 { "resume" } else { "rollback" };
    let report = model
        .tool()
        .run(&[verb, RELEASE, "--yes", "-o", "json"])
        .expect_code(0)
        .report();
    assert_restored(&report, 1);
}
