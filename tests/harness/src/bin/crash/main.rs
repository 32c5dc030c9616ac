//! Kills a run at every journal record and around every change, lets another machine finish or end it, and compares
//! the end with what is promised. `crash [EVERY] [WORDS]` takes every so-manieth point, of those whose description holds
//! the words: `crash 1 "Before(6), with_helm: false, way: Abort"`.
#![allow(clippy::panic, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod cut;
mod door;
mod observer;
mod point;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use cut::Cut;
use door::{Driver, Site};
use point::{Outcome, Point, Way};
use serde::Serialize;
use vllm_rollback_harness::databases::{Postgres, Redis};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::paths;
use vllm_rollback_harness::testbed::Testbed;

/// Points at a time: they mostly wait for pods.
const AT_A_TIME: usize = 5;

/// What is left in `target/crash/result.json`.
#[derive(Debug, Default, Serialize)]
struct Summary {
    points: usize,
    passed: usize,
    resumed: usize,
    aborted: usize,
    worst_resume_seconds: f64,
    violations: Vec<String>,
}

fn main() -> ExitCode {
    let every = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(1);
    let site = Site {
        testbed: Testbed::start(64),
        postgres: Arc::new(Postgres::start()),
        redis: Arc::new(Redis::start()),
    };
    let words = std::env::args().nth(2).unwrap_or_default();
    let wanted = |point: &Point| format!("{point:?}").contains(&words);
    let points: Vec<Point> = points(&site).into_iter().filter(wanted).step_by(every).collect();
    eprintln!("==> {} points", points.len());
    let outcomes = run_all(&site, points);
    let mut summary = Summary::default();
    for (point, outcome) in outcomes {
        if !outcome.struck && outcome.violations.is_empty() {
            // The run ended before this point: other runs of the same kind make a call more or less.
            continue;
        }
        summary.points += 1;
        summary.passed += usize::from(outcome.violations.is_empty());
        match point.way {
            Way::Resume => {
                summary.resumed += 1;
                summary.worst_resume_seconds = summary.worst_resume_seconds.max(outcome.seconds);
            }
            Way::Abort => summary.aborted += 1,
        }
        summary.violations.extend(outcome.violations);
    }
    publish(&summary);
    if summary.violations.is_empty() && summary.points > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// All points, counted by a run of each kind that is left alone.
fn points(site: &Site) -> Vec<Point> {
    let mut points = Vec::new();
    for driver in Driver::BOTH {
        for major in Major::BOTH {
            let point = |cut, with_helm, way| Point {
                driver,
                major,
                cut,
                with_helm,
                way,
            };
            let counted = point(Cut::Never, false, Way::Resume).run(site);
            assert!(
                counted.violations.is_empty(),
                "the run that is counted: {:?}",
                counted.violations
            );
            eprintln!(
                "==> {driver:?}, Helm {major:?}: {} changes, {} journal records",
                counted.changes, counted.records
            );
            for way in [Way::Resume, Way::Abort] {
                for at in 1..=counted.changes {
                    points.push(point(Cut::Before(at), false, way));
                    points.push(point(Cut::After(at), false, way));
                    points.push(point(Cut::After(at), true, way));
                }
                for at in 1..=counted.records {
                    points.push(point(Cut::Record(at), false, way));
                }
            }
        }
    }
    points
}

fn run_all(site: &Site, points: Vec<Point>) -> Vec<(Point, Outcome)> {
    let left = Mutex::new(points);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(point) = left.lock().ok().and_then(|mut left| left.pop()) else {
                        return;
                    };
                    let outcome = point.run(site);
                    for violation in &outcome.violations {
                        eprintln!("  {violation}");
                    }
                    if let Ok(mut done) = done.lock() {
                        done.push((point, outcome));
                        if done.len() % 10 == 0 {
                            eprintln!("    {} done", done.len());
                        }
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_default()
}

fn publish(summary: &Summary) {
    println!(
        "{} points, {} passed ({} resumed, {} aborted), worst resume {:.1} s, {} violations",
        summary.points,
        summary.passed,
        summary.resumed,
        summary.aborted,
        summary.worst_resume_seconds,
        summary.violations.len()
    );
    let dir = paths::target().join("crash");
    std::fs::create_dir_all(&dir).expect("the target directory is writable");
    let path = dir.join("result.json");
    std::fs::write(&path, serde_json::to_vec_pretty(summary).expect("plain data"))
        .expect("the target directory is writable");
    println!("{}", path.display());
}
