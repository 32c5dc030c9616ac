//! Why a rollback did not get ready: named, at once, with what was seen.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use vllm_rollback_engine::report::StateName;
use vllm_rollback_engine::workload::CauseReason;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::testbed::Testbed;
use vllm_rollback_harness::wait;

use crate::fixture::{CRASH, MODEL, Model, RECREATE, RELEASE, SERVICE};
use crate::on_both_helms;

on_both_helms!(
    an_image_that_is_gone_is_named_within_two_seconds_of_the_kubelets_event,
    |major| {
        // Revision 1 was good once; its image has left the registry since.
        let model = Model::good("imagegone", major);
        assert!(!model.upgrade_and_wait(2, &["image.tag=missing-1"], "2s"));
        assert!(model.upgrade_and_wait(3, &[], "120s"));
        // Helm's own try of revision 2 left events too.
        let before = pull_failures(&model);
        let mut running = model
            .tool()
            .start(&["rollback", RELEASE, "2", "--yes", "--to-rejected", "-o", "json"]);
        let stderr = BufReader::new(running.child().stderr.take().expect("stderr is piped"));
        let named = std::thread::spawn(move || {
            let mut named = None;
            let mut seen = Vec::new();
            for line in stderr.lines().map_while(Result::ok) {
                // The plan and Helm's progress may name the image too; a cause can only come after them.
                let waits = seen.iter().any(|line: &String| line.contains("waiting until revision"));
                if named.is_none() && waits && line.contains("missing-1") {
                    named = Some(Instant::now());
                }
                seen.push(line);
            }
            (named, seen.join("\n"))
        });
        let failed = wait::until("the kubelet's event", Duration::from_secs(90), || {
            (pull_failures(&model) > before).then(Instant::now)
        });
        let code = running.wait(Duration::from_secs(60));
        let (named, stderr) = named.join().expect("stderr is read");
        assert_eq!(code, Some(11), "{stderr}");
        let named = named.unwrap_or_else(|| panic!("the cause is not named on stderr:\n{stderr}"));
        assert!(
            named <= failed + Duration::from_secs(2),
            "named {:?} after the event",
            named.duration_since(failed)
        );
        model.assert_out_of_traffic();
    }
);

/// Events of the kubelet that say that the image cannot be pulled.
fn pull_failures(model: &Model) -> usize {
    let namespace = &model.namespace.name;
    let path = format!("/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3DFailed");
    let events = model.namespace.testbed.api().get(&path).expect("events can be listed");
    let events = events["items"].as_array().expect("a list").iter();
    events
        .filter(|event| event["message"].as_str().is_some_and(|text| text.contains("missing-1")))
        .count()
}

#[test]
fn a_target_that_crashes_too_is_held_with_exit_code_and_log() {
    let model = Model::good_with("crashtoo", Major::Four, &[]);
    assert!(!model.upgrade_and_wait(2, &[CRASH, "faults.CRASH_LOG=the weights are torn"], "2s"));
    assert!(model.upgrade_and_wait(3, &[], "120s"));
    let report = model.rollback(&["2", "--to-rejected"]).expect_code(11).report();
    assert_eq!(report.outcome, StateName::Held);
    let cause = report
        .causes
        .iter()
        .find(|cause| cause.reason == CauseReason::CrashLoop)
        .expect("a crash loop is named");
    assert!(cause.message.contains("exit code 1"), "{cause:?}");
    assert!(
        cause.evidence.iter().any(|line| line.contains("the weights are torn")),
        "{cause:?}"
    );
    model.assert_out_of_traffic();
}

#[test]
fn no_room_for_a_surge_is_said_before_anything_changes() {
    let testbed = Testbed::start(1);
    let namespace = Namespace::create(&testbed, "nogpu");
    // Rolling update with one replica: the new pod wants a second GPU while the old one keeps its own.
    namespace.helm(Major::Four).install(RELEASE, &["revisionLabel=1"]);
    namespace
        .helm(Major::Four)
        .upgrade(RELEASE, &["revisionLabel=2", CRASH]);
    let ran = namespace.tool(Major::Four).rollback(RELEASE, &[]);
    if ran.code == 1 {
        assert!(ran.stderr.contains("nvidia.com/gpu"), "{}", ran.stderr);
        assert!(namespace.ask(SERVICE, MODEL).is_served(), "nothing was changed");
    } else {
        // The old pod already serves the target, so no surge is needed.
        let report = ran.expect_code(0).report();
        assert_eq!(report.outcome, StateName::Done);
    }
}

#[test]
fn a_pod_without_a_gpu_is_named_when_it_happens() {
    let testbed = Testbed::start(1);
    let namespace = Namespace::create(&testbed, "gputaken");
    let helm = namespace.helm(Major::Four);
    helm.install(RELEASE, &[RECREATE, "revisionLabel=1"]);
    helm.upgrade(RELEASE, &[RECREATE, "revisionLabel=2", "gpus=0", CRASH]);
    // Somebody else takes the GPU that revision 1 needs.
    namespace.kubectl().apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: thief, namespace: {}}}\nspec:\n  containers:\n  - {{name: c, image: vllm-sim:1, resources: {{limits: {{nvidia.com/gpu: 1}}}}}}\n",
        namespace.name
    ));
    let ran = namespace.tool(Major::Four).rollback(RELEASE, &[]);
    assert!(ran.code == 1 || ran.code == 11, "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("nvidia.com/gpu"), "{}", ran.stderr);
}
