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
        let why = format!("the model was disabled before that run, and is {}", now.as_str());
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

#[test]
fn the_journal_tells_what_the_cluster_cannot() {
    // Helm's process may have been started: nothing in the cluster shows it.
    let steps_of = |call, death| steps(&cut_off(call, death));
    let why = steps_of("rollback", Fault::DiesBefore)[1].why.clone();
    assert_eq!(
        why,
        "Helm made no revision after 2, although that run was about to let it"
    );
    let whys: Vec<_> = steps_of("stop", Fault::DiesBefore)[2..]
        .iter()
        .map(|step| step.why.clone())
        .collect();
    assert_eq!(whys, ["that run did not come so far"; 3]);
    let ready = steps_of("checks", Fault::DiesBefore)[2].clone();
    assert_eq!(
        (ready.decision, ready.why.as_str()),
        (Decision::Redo, "pods may have changed since")
    );
}

#[test]
fn a_model_that_somebody_let_in_after_the_fence_is_taken_out_first() {
    let sim = cut_off("rollback", Fault::DiesBefore);
    sim.world().traffic = Some(TrafficStatus::Enabled);
    sim.world().is_half_out = false;
    let first = steps(&sim).remove(0);
    assert_eq!(first.decision, Decision::Compensate, "{}", first.why);
    assert!(first.why.contains("saw the model out of traffic"), "{}", first.why);
}

#[test]
fn a_rollback_that_the_run_never_began_is_not_called_its_own() {
    let sim = cut_off("stop", Fault::DiesBefore);
    let mut other = record(3, ReleaseStatus::Deployed, "good");
    other.rolled_back_to = Some(vllm_rollback_engine::release::Revision(1));
    sim.world().records.push(other);
    let helm = steps(&sim).remove(1);
    assert_eq!(helm.decision, Decision::Done);
    assert!(helm.why.ends_with("it was not that run that made it"), "{}", helm.why);
    // On another machine there is no journal that could deny it.
    sim.world().journal.clear();
    let helm = steps(&sim).remove(1);
    assert!(helm.why.contains("is that run's rollback"), "{}", helm.why);
}

#[test]
fn a_journal_with_a_damaged_or_missing_line_is_said_and_the_cluster_decides() {
    type Damage = fn(&Sim);
    let gaps: [(&str, Damage); 2] = [
        ("line 3 was changed or is damaged", |sim| {
            sim.world().journal.truncate(2);
            sim.world().damaged_line = Some(3);
        }),
        ("record 2 is missing", |sim| {
            sim.world().journal.remove(1);
        }),
    ];
    for (said, damage) in gaps {
        let sim = cut_off("rollback", Fault::DiesAfter);
        damage(&sim);
        let client = Client::new(&sim, "run-2");
        let request = Request {
            resumes: true,
            ..client.request.clone()
        };
        let plan = finish(&client, plan(&client.world(), &request)).unwrap().unwrap();
        let finding = plan.preflight.findings.iter().find(|f| f.subject == "journal");
        let message = finding.map(|finding| finding.message.as_str()).unwrap_or_default();
        assert!(message.contains(said), "{message}");
        let steps = plan.resumes.unwrap().steps;
        let (helm, ready) = (&steps[1], &steps[2]);
        assert_eq!(ready.why, "pods may have changed since", "it denies nothing");
        assert_eq!(
            (helm.decision, helm.why.as_str()),
            (Decision::Done, "revision 3 is that run's rollback and is deployed")
        );
    }
}
