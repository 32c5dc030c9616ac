//! What a resumed run believes of the run before it.

use vllm_rollback_engine::failure::FailureKind;
use vllm_rollback_engine::plan;
use vllm_rollback_engine::release::ReleaseStatus;
use vllm_rollback_engine::report::StateName;
use vllm_rollback_engine::request::Request;
use vllm_rollback_engine::resume::{Decision, ResumedStep};
use vllm_rollback_engine::traffic::TrafficStatus;

use crate::sim::build::{crashed, crashed_with, record};
use crate::sim::{Client, Fault, Health, Sim, Trouble, finish};
use crate::unfinished::cut_off;

fn steps(sim: &Sim) -> Vec<ResumedStep> {
    let client = Client::new(sim, "run-2");
    let request = Request {
        resumes: true,
        ..client.request.clone()
    };
    let plan = finish(&client, plan(&client.world(), &request)).unwrap().unwrap();
    plan.resumes.unwrap().steps
}

#[test]
fn each_decision_says_what_was_seen() {
    let why = |call, death| {
        let steps = steps(&cut_off(call, death));
        (steps[0].why.clone(), steps[1].why.clone())
    };
    let (traffic, helm) = why("stop", Fault::DiesBefore);
    assert_eq!(traffic, "the model is in traffic as that run found it");
    assert_eq!(helm, "Helm made no revision after 2");
    let (traffic, helm) = why("rollback", Fault::DiesAfter);
    assert_eq!(traffic, "the registry says disabled; that it is out is proved again");
    assert_eq!(helm, "revision 3 is that run's rollback and is deployed");
    let (traffic, _) = why("resume_to", Fault::DiesAfter);
    assert!(
        traffic.contains("that run proved nothing to the end: it is taken out first"),
        "{traffic}"
    );
    let states: Vec<_> = steps(&cut_off("stop", Fault::DiesBefore))
        .iter()
        .map(|step| step.state)
        .collect();
    let all = [
        StateName::Fenced,
        StateName::RolledBack,
        StateName::Ready,
        StateName::Validated,
        StateName::Unfenced,
    ];
    assert_eq!(states, all);
}

#[test]
fn a_model_that_had_no_traffic_before_needs_no_fence_whoever_enabled_it_since() {
    for now in [TrafficStatus::Disabled, TrafficStatus::Enabled] {
        let sim = crashed();
        sim.world().traffic = Some(TrafficStatus::Disabled);
        let dead = Client::new(&sim, "run-1").with(Trouble::Every("rollback"), Fault::DiesBefore);
        assert!(dead.run().is_none());
        sim.world().traffic = Some(now.clone());
        let first = steps(&sim).remove(0);
        let why = format!("the model was disabled before that run, and is {}", now.word());
        assert_eq!((first.decision, first.why), (Decision::Done, why));
    }
}

#[test]
fn what_another_driver_took_away_is_not_given_back_by_this_one() {
    let sim = crashed_with(Health::CRASHING);
    Client::new(&sim, "run-1").report();
    sim.world().memory.held.as_mut().unwrap().prior.driver = "other".into();
    sim.world().health.insert("good".into(), Health::GOOD);
    sim.world().pods[0].ready = true;
    let report = Client::new(&sim, "run-2").report();
    assert_eq!(report.outcome, StateName::Done);
    assert_eq!(sim.world().traffic(), TrafficStatus::Disabled);
}

#[test]
fn a_revision_that_failed_with_another_manifest_is_not_that_runs_work() {
    for status in [ReleaseStatus::Failed, ReleaseStatus::Deployed] {
        let sim = cut_off("rollback", Fault::DiesBefore);
        sim.world().records.push(record(3, status, "newer"));
        let failure = Client::new(&sim, "run-2").resume().unwrap().unwrap_err();
        assert_eq!(failure.kind, FailureKind::Conflict, "{failure}");
    }
    // The same manifest under a later number is somebody's too.
    let sim = cut_off("rollback", Fault::DiesBefore);
    sim.world().records.push(record(3, ReleaseStatus::Superseded, "newer"));
    sim.world().records.push(record(4, ReleaseStatus::Failed, "good"));
    let failure = Client::new(&sim, "run-2").resume().unwrap().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict, "{failure}");
    assert!(
        failure.to_string().contains("the newest revision is now 4 (failed)"),
        "{failure}"
    );
}
