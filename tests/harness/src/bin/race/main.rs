//! Two operators roll the same release back at the same moment, again and again: exactly one may proceed each time.
//! `race [RACES]`, 200 when not said.
#![allow(clippy::panic, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::paths;
use vllm_rollback_harness::testbed::{HANG, Testbed};

const RELEASE: &str = "llama";
/// Releases that are raced for at a time.
const AT_A_TIME: usize = 5;
/// Exit codes of the one who does not proceed: locked, stale, or all was done already.
const TURNED_AWAY: [i32; 3] = [12, 15, 1];

/// What is left in `target/race/result.json`.
#[derive(Debug, Serialize)]
struct Summary {
    races: usize,
    exactly_one: usize,
    others: Vec<String>,
}

fn main() -> ExitCode {
    let races = std::env::args()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(200);
    let testbed = Testbed::start(64);
    let begun = AtomicUsize::new(0);
    let others: Vec<String> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..AT_A_TIME)
            .map(|lane| {
                let (testbed, begun) = (&testbed, &begun);
                scope.spawn(move || race(testbed, Major::BOTH[lane % 2], begun, races))
            })
            .collect();
        lanes
            .into_iter()
            .flat_map(|lane| lane.join().unwrap_or_else(|_| vec!["a lane broke".to_owned()]))
            .collect()
    });
    let summary = Summary {
        races,
        exactly_one: races.saturating_sub(others.len()),
        others,
    };
    println!(
        "{} races, in {} exactly one proceeded",
        summary.races, summary.exactly_one
    );
    for other in &summary.others {
        println!("  {other}");
    }
    let dir = paths::target().join("race");
    std::fs::create_dir_all(&dir).expect("the target directory is writable");
    let text = serde_json::to_vec_pretty(&summary).expect("plain data");
    std::fs::write(dir.join("result.json"), text).expect("the target directory is writable");
    println!("{}", dir.join("result.json").display());
    if summary.others.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Races for one release until enough were begun. Everything that was not as it must be.
fn race(testbed: &Testbed, major: Major, begun: &AtomicUsize, races: usize) -> Vec<String> {
    let namespace = Namespace::create(testbed, "race");
    let helm = namespace.helm(major);
    helm.install(RELEASE, &["strategy.type=Recreate", "revisionLabel=1"]);
    let mut others = Vec::new();
    while begun.fetch_add(1, Ordering::SeqCst) < races {
        helm.upgrade(
            RELEASE,
            &["strategy.type=Recreate", "revisionLabel=2", "faults.CRASH_AT_START=1"],
        );
        let before = helm.history(RELEASE).last().map(|(number, _, _)| *number);
        let operators = [namespace.tool(major), namespace.tool(major).elsewhere()];
        let mut running = operators.map(|tool| tool.start(&["rollback", RELEASE, "--yes", "-o", "json"]));
        let codes: Vec<Option<i32>> = running.iter_mut().map(|one| one.wait(HANG)).collect();
        let proceeded = codes.iter().filter(|code| **code == Some(0)).count();
        let turned_away = codes.iter().flatten().filter(|code| TURNED_AWAY.contains(code)).count();
        let answer = namespace.ask("llama-vllm-deployment", "llama-2-7b");
        let after = helm.history(RELEASE).last().map(|(number, _, _)| *number);
        let made = after.zip(before).map(|(after, before)| after - before);
        if (proceeded, turned_away, made) != (1, 1, Some(1)) || !answer.text.contains("revision 1.") {
            others.push(format!(
                "{major:?}: exit codes {codes:?}, {made:?} revisions made, a user gets {answer:?}"
            ));
        }
    }
    others
}
