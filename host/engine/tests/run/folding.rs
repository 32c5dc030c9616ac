//! What a journal comes to.

use proptest::prelude::*;
use vllm_rollback_engine::journal::{Entry, Gap, JournalState, Journalled, RecordKind, StepReach, fold};
use vllm_rollback_engine::report::StateName;

use crate::sim::build::crashed;
use crate::sim::{Client, Sim};

fn journal(sim: &Sim) -> Journalled {
    Journalled {
        entries: sim.world().journal.clone(),
        damaged: None,
    }
}

fn whole_run() -> Journalled {
    let sim = crashed();
    Client::new(&sim, "run-1").report();
    journal(&sim)
}

fn intent(seq: u64, state: StateName, key: &str) -> Entry {
    Entry {
        seq,
        run_id: "run-1".into(),
        at: String::new(),
        state,
        edge: RecordKind::Intent {
            key: key.into(),
            data: serde_json::json!({}),
        },
    }
}

#[test]
fn a_run_that_ended_has_reached_its_states_and_left_nothing_open() {
    let state = fold(&whole_run());
    let all = [
        StateName::Locked,
        StateName::Fenced,
        StateName::RolledBack,
        StateName::Ready,
        StateName::Validated,
        StateName::Unfenced,
        StateName::Confirmed,
    ];
    assert_eq!(state.reached, all);
    assert_eq!((state.open.len(), state.end, state.gap), (0, Some(0), None));
    assert!(state.is_whole);
}

#[test]
fn a_step_that_is_tried_twice_under_one_key_is_one_step() {
    let entries = vec![
        intent(1, StateName::RolledBack, "helm-rollback 2→1 as 3"),
        intent(2, StateName::RolledBack, "helm-rollback 2→1 as 3"),
        intent(3, StateName::RolledBack, "helm-rollback 3→1 as 4"),
    ];
    let state = fold(&Journalled { entries, damaged: None });
    let keys: Vec<_> = state.open.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(keys, ["helm-rollback 2→1 as 3", "helm-rollback 3→1 as 4"]);
    assert_eq!(state.reach(StateName::RolledBack), StepReach::Begun);
    assert_eq!(state.reach(StateName::Fenced), StepReach::NotBegun);
}

#[test]
fn an_empty_journal_denies_nothing() {
    assert!(!fold(&Journalled::default()).is_whole);
}

#[test]
fn records_of_another_run_are_not_folded_in() {
    let mut mixed = whole_run();
    mixed.entries[2].run_id = "run-9".into();
    assert_eq!(fold(&mixed).gap, Some(Gap::Missing(3)));
}

#[test]
fn of_file_and_copy_the_one_that_came_further_counts_and_damage_stays_said() {
    let whole = whole_run();
    let short = |entries: usize| {
        fold(&Journalled {
            entries: whole.entries[..entries].to_vec(),
            damaged: Some(entries + 1),
        })
    };
    let copy = || {
        let sim = crashed();
        Client::new(&sim, "run-1").report();
        let mut run = sim.world().memory.runs[0].clone();
        run.state = StateName::Fenced;
        JournalState::mirrored(&run)
    };
    assert_eq!(copy().end, Some(0));
    let folded = short(1).or_newer(copy());
    assert_eq!(folded.reached, [StateName::Locked, StateName::Fenced]);
    assert_eq!(folded.gap, Some(Gap::Damaged(2)));
    assert!(!folded.is_whole);
    let whole = fold(&whole);
    assert_eq!(whole.clone().or_newer(copy()), whole);
}

proptest! {
    #[test]
    fn a_record_that_is_taken_out_is_missed(at in any::<prop::sample::Index>()) {
        let mut short = whole_run();
        let at = at.index(short.entries.len() - 1);
        short.entries.remove(at);
        let gap = Gap::Missing(u64::try_from(at).unwrap() + 1);
        let state = fold(&short);
        prop_assert_eq!(state.gap, Some(gap));
        prop_assert!(!state.is_whole);
    }
}
