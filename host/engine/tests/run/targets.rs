//! Where a run goes.

use std::collections::BTreeSet;

use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::journal::{Rejected, RunState};
use vllm_rollback_engine::release::ReleaseStatus::{
    self, Deployed, Failed, PendingInstall, PendingUpgrade, Superseded, Uninstalled,
};
use vllm_rollback_engine::release::Revision;
use vllm_rollback_engine::request::{Override, RollbackTarget};
use vllm_rollback_engine::target::{ResolvedTarget, TargetQuery, choose};

use crate::sim::build::{history, wall};
use crate::sim::{Client, Sim, finish};

fn choose_from(
    sim: &Sim,
    memory: &RunState,
    target: RollbackTarget,
    accept: &[Override],
) -> Result<ResolvedTarget, Failure> {
    let client = Client::new(sim, "run-1");
    let now = wall(0);
    let accept: BTreeSet<_> = accept.iter().copied().collect();
    let query = TargetQuery {
        release: &client.request.release,
        target,
        accept: &accept,
        now: &now,
        verb: "",
    };
    finish(&client, choose(&client, memory, &query)).unwrap()
}

fn last_good(sim: &Sim) -> Result<ResolvedTarget, Failure> {
    choose_from(sim, &RunState::default(), RollbackTarget::LastGood, &[])
}

fn exact(sim: &Sim, revision: u32, accept: &[Override]) -> Result<ResolvedTarget, Failure> {
    choose_from(
        sim,
        &RunState::default(),
        RollbackTarget::Exact(Revision(revision)),
        accept,
    )
}

/// A history in which the named revisions went back: `(revision, to)`.
fn with_returns(revisions: &[(ReleaseStatus, &str)], returns: &[(usize, u32)]) -> Sim {
    let sim = history(revisions);
    for (revision, to) in returns {
        sim.world().records[revision - 1].rolled_back_to = Some(Revision(*to));
    }
    sim
}

#[test]
fn two_failed_upgrades_in_a_row_are_both_skipped_by_name() {
    let sim = history(&[(Deployed, "a"), (Failed, "b"), (Failed, "c")]);
    sim.world().records[1].description = "Upgrade \"llama\" failed: timed out".into();
    let choice = last_good(&sim).unwrap();
    assert_eq!(choice.target.revision, Revision(1));
    assert_eq!(choice.skipped.len(), 1);
    assert_eq!(choice.skipped[0].reason, "failed: Upgrade \"llama\" failed: timed out");
}

#[test]
fn the_first_revision_has_nothing_before_it() {
    let failure = last_good(&history(&[(Deployed, "a")])).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(
        failure.what.contains("revision 1 of prod/llama is the first"),
        "{failure}"
    );
    assert!(
        failure.next.iter().any(|step| step.contains("helm upgrade llama")),
        "{failure:?}"
    );
}

#[test]
fn after_helm_went_back_and_forth_the_good_revision_is_still_found() {
    // 1 good, 2 bad, 3 back to 1, 4 = "helm rollback" once more: back to the bad one.
    let revisions = [
        (Superseded, "good"),
        (Superseded, "bad"),
        (Superseded, "good"),
        (Deployed, "bad"),
    ];
    let sim = with_returns(&revisions, &[(3, 1), (4, 2)]);
    let choice = last_good(&sim).unwrap();
    assert_eq!(choice.target.revision, Revision(1));
    let reasons: Vec<_> = choice.skipped.iter().map(|s| s.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "revision 4 rolled back from it to revision 2",
            "revision 3 rolled back from it to revision 1"
        ]
    );
}

#[test]
fn what_somebody_went_back_past_is_not_good_either() {
    let revisions = [
        (Superseded, "a"),
        (Superseded, "b"),
        (Superseded, "c"),
        (Superseded, "a"),
        (Deployed, "d"),
    ];
    let sim = with_returns(&revisions, &[(4, 1)]);
    assert_eq!(last_good(&sim).unwrap().target.revision, Revision(4));
    sim.world().records[3].status = Failed;
    let choice = last_good(&sim).unwrap();
    assert_eq!(choice.target.revision, Revision(1));
    assert_eq!(choice.skipped[2].reason, "revision 4 went back past it to revision 1");
}

#[test]
fn a_failed_rollback_that_lost_its_mark_is_known_by_its_manifest() {
    // Helm 3: the failed rollback made revision 2 `superseded` and holds the error in place of "Rollback to 1".
    let sim = history(&[(Superseded, "good"), (Superseded, "bad"), (Failed, "good")]);
    let choice = last_good(&sim).unwrap();
    assert_eq!(choice.target.revision, Revision(1));
    assert_eq!(choice.skipped[0].revision, Revision(2));
}

#[test]
fn a_failed_upgrade_to_the_manifest_before_is_no_rollback() {
    let sim = history(&[(Superseded, "a"), (Superseded, "b"), (Failed, "b")]);
    let choice = last_good(&sim).unwrap();
    assert_eq!(choice.target.revision, Revision(1));
    assert_eq!(choice.skipped[0].reason, "same manifest as the current revision 3");
}

#[test]
fn a_revision_that_a_run_rejected_is_skipped_also_under_another_number() {
    let sim = history(&[(Superseded, "a"), (Superseded, "bad"), (Deployed, "c")]);
    let memory = RunState {
        rejected: vec![Rejected {
            revision: 7,
            manifest_sha256: "sha-bad".into(),
            reason: "garbage".into(),
        }],
        ..RunState::default()
    };
    let choice = choose_from(&sim, &memory, RollbackTarget::LastGood, &[]).unwrap();
    assert_eq!(choice.target.revision, Revision(1));
    assert!(choice.skipped[0].reason.contains("garbage"), "{:?}", choice.skipped);
    let named = RollbackTarget::Exact(Revision(2));
    let failure = choose_from(&sim, &memory, named, &[]).unwrap_err();
    assert!(
        failure
            .next
            .iter()
            .any(|step| step.ends_with("llama 2 -n prod --to-rejected")),
        "{failure:?}"
    );
    let choice = choose_from(&sim, &memory, named, &[Override::BadTarget]).unwrap();
    assert_eq!(choice.target.revision, Revision(2));
    assert!(choice.notes[0].contains("garbage"));
}

#[test]
fn a_number_that_another_life_of_the_release_rejected_means_nothing() {
    let sim = history(&[(Superseded, "a"), (Superseded, "fine"), (Deployed, "c")]);
    let memory = RunState {
        rejected: vec![Rejected {
            revision: 2,
            manifest_sha256: "sha-of-before-the-uninstall".into(),
            reason: "garbage".into(),
        }],
        ..RunState::default()
    };
    let choice = choose_from(&sim, &memory, RollbackTarget::LastGood, &[]).unwrap();
    assert_eq!(choice.target.revision, Revision(2));
}

#[test]
fn a_pruned_revision_is_refused_with_those_that_are_left() {
    let sim = history(&[(Superseded, "a"), (Superseded, "b"), (Deployed, "c")]);
    sim.world().records.remove(0);
    let failure = exact(&sim, 1, &[]).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    let text = failure.to_string();
    assert!(text.contains("it has 2, 3") && text.contains("--history-max"), "{text}");
    assert!(!exact(&sim, 9, &[]).unwrap_err().to_string().contains("--history-max"));
}

#[test]
fn a_failed_revision_is_gone_to_only_when_that_is_accepted() {
    let sim = history(&[(Superseded, "a"), (Failed, "b"), (Deployed, "c")]);
    assert_eq!(exact(&sim, 2, &[]).unwrap_err().kind, FailureKind::Refused);
    assert_eq!(
        exact(&sim, 2, &[Override::BadTarget]).unwrap().target.revision,
        Revision(2)
    );
}

#[test]
fn the_current_revision_can_be_applied_again() {
    let sim = history(&[(Superseded, "a"), (Deployed, "b")]);
    let choice = exact(&sim, 2, &[]).unwrap();
    assert_eq!(choice.target.revision, Revision(2));
    assert!(choice.notes[0].contains("applied again"), "{:?}", choice.notes);
}

#[test]
fn a_fresh_pending_upgrade_needs_consent_and_an_old_one_is_explained() {
    let sim = history(&[(Deployed, "a"), (PendingUpgrade, "b")]);
    sim.world().records[1].last_deployed = Some("2025-12-31T23:55:00Z".into());
    let failure = last_good(&sim).unwrap_err();
    assert!(
        failure.what.contains("revision 2 is pending-upgrade for 300 s"),
        "{failure}"
    );
    assert!(failure.next[0].contains("300 s"), "{failure:?}");
    let choice = choose_from(
        &sim,
        &RunState::default(),
        RollbackTarget::LastGood,
        &[Override::PendingCurrent],
    )
    .unwrap();
    assert_eq!(choice.target.revision, Revision(1));
    sim.world().records[1].last_deployed = Some("2025-12-31T23:49:00+00:00".into());
    assert!(last_good(&sim).unwrap().notes[0].contains("died or was interrupted"));
    sim.world().records[1].last_deployed = None;
    assert!(last_good(&sim).unwrap_err().what.contains("since an unknown time"));
}

#[test]
fn an_install_that_never_ended_has_nothing_before_it() {
    assert_eq!(
        last_good(&history(&[(PendingInstall, "a")])).unwrap_err().kind,
        FailureKind::Refused
    );
}

#[test]
fn an_uninstalled_release_is_not_rolled_back() {
    let sim = history(&[(Superseded, "a"), (Uninstalled, "b")]);
    assert!(last_good(&sim).unwrap_err().what.contains("uninstalled"));
    assert!(exact(&sim, 1, &[]).unwrap_err().what.contains("uninstalled"));
}

#[test]
fn only_the_records_that_are_needed_are_read() {
    let revisions: Vec<_> = (0..9)
        .map(|_| (Superseded, "old"))
        .chain([(Superseded, "good"), (Deployed, "bad")])
        .collect();
    let sim = history(&revisions);
    let client = Client::new(&sim, "run-1");
    let accept = BTreeSet::new();
    let query = TargetQuery {
        release: &client.request.release,
        target: RollbackTarget::LastGood,
        accept: &accept,
        now: &wall(0),
        verb: "",
    };
    let choice = finish(&client, choose(&client, &RunState::default(), &query))
        .unwrap()
        .unwrap();
    assert_eq!(choice.target.revision, Revision(10));
    assert_eq!(client.calls.lock().unwrap().len(), 3, "the history and two records");
}

#[test]
fn a_named_revision_that_somebody_left_long_ago_is_refused_too() {
    let revisions = [
        (Superseded, "a"),
        (Superseded, "bad"),
        (Superseded, "a"),
        (Superseded, "d"),
        (Deployed, "e"),
    ];
    let sim = with_returns(&revisions, &[(3, 1)]);
    let failure = exact(&sim, 2, &[]).unwrap_err();
    assert_eq!(failure.why, ["revision 3 rolled back from it to revision 1"]);
    assert_eq!(
        failure.next,
        [
            "to the last good one: kubectl vllm-rollback llama -n prod",
            "to it all the same: kubectl vllm-rollback llama 2 -n prod --to-rejected"
        ]
    );
    // What the return went to, and what came after it, is not what it left.
    assert_eq!(exact(&sim, 1, &[]).unwrap().target.revision, Revision(1));
    assert_eq!(exact(&sim, 3, &[]).unwrap().target.revision, Revision(3));
    let choice = exact(&sim, 2, &[Override::BadTarget]).unwrap();
    assert_eq!(
        choice.notes,
        ["revision 2 is accepted as the target although revision 3 rolled back from it to revision 1"]
    );
}

#[test]
fn a_revision_that_is_not_there_is_told_from_one_that_helm_pruned() {
    let sim = history(&[(Superseded, "a"), (Superseded, "b"), (Deployed, "c")]);
    sim.world().records.remove(0);
    let why = |revision| exact(&sim, revision, &[]).unwrap_err().why;
    assert_eq!(why(1).len(), 2);
    assert!(why(1)[1].contains("Helm pruned the older ones"), "{:?}", why(1));
    assert_eq!(why(9), ["it has 2, 3"]);
}

#[test]
fn the_only_revision_that_helm_kept_has_nothing_before_it() {
    let sim = history(&[(Superseded, "a"), (Deployed, "b")]);
    sim.world().records.remove(0);
    let failure = last_good(&sim).unwrap_err();
    assert_eq!(
        failure.what,
        "revision 2 is the only one of prod/llama that Helm kept: there is nothing to go back to"
    );
}

#[test]
fn a_release_that_is_being_uninstalled_is_not_rolled_back_either() {
    for (status, word) in [
        (Uninstalled, "uninstalled"),
        (ReleaseStatus::Uninstalling, "uninstalling"),
    ] {
        let failure = last_good(&history(&[(Superseded, "a"), (status, "b")])).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.what.starts_with(&format!("prod/llama is {word}")), "{failure}");
        assert_eq!(
            failure.next[0],
            "bring it back with Helm first: helm rollback llama REVISION -n prod"
        );
    }
}

#[test]
fn a_failed_or_pending_rollback_may_be_repeated_and_a_done_one_helps_no_further() {
    // 3 went back to 1 and did not get there: 1 has its manifest, and is still where to go.
    for status in [Failed, ReleaseStatus::PendingRollback] {
        let revisions = [(Superseded, "good"), (Superseded, "bad"), (status, "good")];
        let sim = with_returns(&revisions, &[(3, 1)]);
        sim.world().records[2].last_deployed = Some("2020-01-01T00:00:00Z".into());
        let choice = last_good(&sim).unwrap();
        assert_eq!(choice.target.revision, Revision(1));
        assert!(
            choice.notes.iter().any(|note| note.contains("it is applied again")),
            "{:?}",
            choice.notes
        );
    }
    let revisions = [(Superseded, "good"), (Superseded, "bad"), (Deployed, "good")];
    let failure = last_good(&with_returns(&revisions, &[(3, 1)])).unwrap_err();
    assert_eq!(
        failure.why,
        [
            "revision 2: revision 3 rolled back from it to revision 1",
            "revision 1: same manifest as the current revision 3"
        ]
    );
    // A failed upgrade to an older manifest returned to nothing.
    let sim = history(&[(Superseded, "a"), (Superseded, "b"), (Failed, "b")]);
    assert_eq!(last_good(&sim).unwrap().notes, [] as [String; 0]);
}

#[test]
fn a_rollback_that_lost_its_mark_is_looked_for_among_the_last_ten_revisions() {
    let lost = |between: usize| {
        let mut revisions = vec![(Superseded, "good")];
        revisions.extend((0..between).map(|_| (Superseded, "bad")));
        revisions.push((Failed, "good"));
        last_good(&history(&revisions)).map(|choice| choice.target.revision)
    };
    assert_eq!(lost(9).unwrap(), Revision(1));
    assert_eq!(lost(1).unwrap(), Revision(1));
}

#[test]
fn an_upgrade_to_an_older_manifest_is_no_rollback() {
    // Only a failed or pending record may have lost its mark.
    let sim = history(&[(Superseded, "a"), (Superseded, "b"), (Superseded, "a"), (Failed, "c")]);
    let choice = exact(&sim, 2, &[]).unwrap();
    assert_eq!(
        (choice.target.revision, choice.notes),
        (Revision(2), Vec::<String>::new())
    );
}

#[test]
fn a_revision_that_an_earlier_run_left_is_told_from_one_with_its_manifest() {
    let sim = history(&[
        (Superseded, "a"),
        (Superseded, "bad"),
        (Superseded, "bad"),
        (Deployed, "c"),
    ]);
    let mut memory = RunState::default();
    memory.rejected.push(Rejected {
        revision: 2,
        manifest_sha256: "sha-bad".into(),
        reason: "slow".into(),
    });
    let choice = choose_from(&sim, &memory, RollbackTarget::LastGood, &[]).unwrap();
    let reasons: Vec<_> = choice.skipped.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "an earlier run rolled back from revision 2, which has the same manifest: slow",
            "an earlier run rolled back from it: slow"
        ]
    );
}
