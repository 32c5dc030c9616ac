//! What a driver's suite found: printed, and kept in `target/drivers/result.json`.
#![allow(clippy::print_stderr, reason = "a test says how far it is where its output is kept")]

use std::cell::RefCell;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Serialize;
use serde_json::Value;
use vllm_rollback_harness::paths;

/// A driver's row.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    driver: &'static str,
    cases: usize,
    passed: usize,
    /// Answers that a client got after the tool had said that the model is out of traffic.
    pub(super) answers_after_stop: usize,
    /// Longest time without an answer during a rollback by the tool.
    outage_seconds: Option<f64>,
    /// The same for the runbook's sequence.
    pub(super) script_outage_seconds: Option<f64>,
    #[serde(skip)]
    failed: RefCell<Vec<String>>,
}

impl Row {
    pub(super) fn new(driver: &'static str) -> Self {
        Self {
            driver,
            cases: 0,
            passed: 0,
            answers_after_stop: 0,
            outage_seconds: None,
            script_outage_seconds: None,
            failed: RefCell::default(),
        }
    }

    /// Runs a case; the others run even if it fails.
    pub(super) fn case<T>(&mut self, what: &str, case: impl FnOnce() -> T) -> Option<T> {
        self.cases += 1;
        eprintln!("driver {}: {what}", self.driver);
        match catch_unwind(AssertUnwindSafe(case)) {
            Ok(found) => {
                self.passed += 1;
                Some(found)
            }
            Err(_) => {
                self.failed.borrow_mut().push(what.to_owned());
                None
            }
        }
    }

    pub(super) fn outage(&mut self, seconds: Option<f64>) {
        self.outage_seconds = self.outage_seconds.into_iter().chain(seconds).reduce(f64::max);
    }

    /// Keeps it beside the other drivers' rows, and fails where a case failed.
    #[track_caller]
    pub(super) fn close(self) {
        keep(&self);
        let failed = self.failed.into_inner();
        assert!(
            failed.is_empty(),
            "driver {}: failed: {}",
            self.driver,
            failed.join("; ")
        );
    }
}

fn keep(row: &Row) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let directory = paths::target().join("drivers");
    std::fs::create_dir_all(&directory).expect("the build directory is writable");
    let file: PathBuf = directory.join("result.json");
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let mut rows: Vec<Value> = serde_json::from_str(&kept).unwrap_or_default();
    rows.retain(|kept| kept["driver"] != row.driver);
    rows.push(serde_json::to_value(row).expect("a row is plain data"));
    rows.sort_by_key(|row| row["driver"].to_string());
    let text = serde_json::to_string_pretty(&rows).expect("rows are plain data");
    std::fs::write(&file, text + "\n").expect("the build directory is writable");
    eprintln!("{}", serde_json::to_string(row).expect("a row is plain data"));
}

/// A part is not installed: said loudly at the end of `make test`, and an error where nothing may be left out.
pub(crate) fn skip(driver: &str) {
    let line = format!("driver {driver}: its router could not be installed from PyPI (tools/routers.sh)");
    eprintln!("SKIPPED {line}");
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(paths::target().join("skipped.txt"))
        .expect("the build directory is writable");
    writeln!(file, "{line}").expect("the build directory is writable");
}
