//! `validate`: the checks alone.

use vllm_rollback_engine::check::{Outcome, Phase};
use vllm_rollback_engine::release::ReleaseStatus;
use vllm_rollback_engine::report::ExitCode;
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_engine::validate;

use crate::sim::build::{crashed, history};
use crate::sim::{Client, Health, finish};

#[test]
fn validation_changes_nothing_and_tells_good_from_bad() {
    let sim = crashed();
    Client::new(&sim, "run-1").report();
    let client = Client::new(&sim, "run-2");
    let report = finish(&client, validate(&client.world(), &client.request)).unwrap();
    assert_eq!((report.exit_code, report.checks.len()), (ExitCode::Success, 2));
    for bad in [
        Health::CRASHING,
        Health {
            leftover: true,
            ..Health::GOOD
        },
        Health {
            direct: Outcome::Fail,
            ..Health::GOOD
        },
    ] {
        let sim = history(&[(ReleaseStatus::Deployed, "bad")]);
        sim.world().health.insert("bad".into(), bad.clone());
        sim.world().live.clear();
        sim.world().apply("bad");
        let client = Client::new(&sim, "run-1");
        let report = finish(&client, validate(&client.world(), &client.request)).unwrap();
        assert_eq!(report.exit_code, ExitCode::Refused, "{bad:?}");
        assert!(report.failure.is_some());
        let calls = client.calls.lock().unwrap().clone();
        let changing = ["acquire", "append", "remember", "stop", "resume_to", "rollback"];
        assert!(calls.iter().all(|call| !changing.contains(call)), "{calls:?}");
    }
}

#[test]
fn validation_of_a_disabled_model_leaves_the_router_alone() {
    let sim = history(&[(ReleaseStatus::Deployed, "good")]);
    sim.world().traffic = Some(TrafficStatus::Disabled);
    let client = Client::new(&sim, "run-1");
    let report = finish(&client, validate(&client.world(), &client.request)).unwrap();
    assert_eq!((report.exit_code, report.checks.len()), (ExitCode::Success, 1));
    assert_eq!(report.checks[0].phase, Phase::Direct);
    let note = "checks through the router did not run: the model is disabled";
    assert!(report.notes.iter().any(|one| one == note), "{:?}", report.notes);
}

#[test]
fn a_release_that_is_not_deployed_is_not_valid_however_well_it_serves() {
    let sim = history(&[(ReleaseStatus::Failed, "good")]);
    sim.world().drifted = 1;
    let client = Client::new(&sim, "run-1");
    let report = finish(&client, validate(&client.world(), &client.request)).unwrap();
    assert_eq!(report.exit_code, ExitCode::Refused);
    let failure = report.failure.unwrap();
    assert_eq!(failure.what, "revision 1 is failed, not deployed");
    assert!(failure.why[0].starts_with("also: 1 field differ"), "{failure}");
    assert_eq!(report.next[0], "kubectl vllm-rollback plan llama -n prod");
    sim.world().drifted = 0;
    sim.world().records[0].status = ReleaseStatus::Deployed;
    let client = Client::new(&sim, "run-2");
    let report = finish(&client, validate(&client.world(), &client.request)).unwrap();
    assert_eq!((report.exit_code, report.failure), (ExitCode::Success, None));
}
