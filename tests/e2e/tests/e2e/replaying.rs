//! Journals of real runs, run again without a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::paths;

use crate::fixture::{CRASH, Model, RELEASE, until_said};

/// The only journal below a directory.
fn journal(directory: &Path) -> PathBuf {
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                return path;
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    panic!("no journal below {}", directory.display());
}

/// Without a cluster, a home or anything else.
fn replay(journal: &Path) -> serde_json::Value {
    let mut command = Command::new(paths::tool());
    let output = command
        .env_clear()
        .arg("replay")
        .arg(journal)
        .args(["-o", "json"])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn the_journal_of_a_rollback_goes_the_same_way_again() {
    let model = Model::good_with("replay", Major::Four, &[]);
    model.upgrade(2, &[CRASH]);
    model.rollback(&[]).expect_code(0);
    let replayed = replay(&journal(model.tool().state_home()));
    assert_eq!(replayed["kind"], "JournalReplay");
    assert_eq!(replayed["end"]["type"], "ended", "{replayed:#}");
    assert_eq!(replayed["end"]["exit_code"], 0);
}

#[test]
fn the_journal_of_a_killed_run_ends_where_it_was_killed() {
    let model = Model::good_with("replaykill", Major::Three, &["faults.LOAD_SECONDS=4"]);
    model.upgrade(2, &[CRASH]);
    let mut running = model.tool().start(&["rollback", RELEASE, "--yes", "-o", "json"]);
    // What the watch saw: a state is announced before its intent is written down.
    let _stderr = until_said(&mut running, " observed, ");
    running.signal(Signal::KILL);
    assert!(running.wait(Duration::from_secs(10)).is_some());
    let replayed = replay(&journal(model.tool().state_home()));
    assert_eq!(replayed["end"]["type"], "cut-off", "{replayed:#}");
    assert_eq!(replayed["end"]["open"][0], "watch 3", "{replayed:#}");
}
