//! Where a run is killed, and the killing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use vllm_rollback_harness::proxy::{Act, Call, Hook, Moment};

/// Where a run is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Before the API server sees this change, counted from 1, of the tool or its Helm.
    Before(usize),
    /// After the API server did it, before the answer arrives.
    After(usize),
    /// Once this many records are in the journal.
    Record(usize),
    /// Not at all: the run by which the others are counted.
    Never,
}

/// What the killer knows of its victim.
#[derive(Debug, Default)]
pub(crate) struct Victim {
    pid: AtomicUsize,
    /// The Helm process dies with the tool.
    with_helm: AtomicBool,
    /// Changes seen so far.
    pub(crate) changes: AtomicUsize,
    /// It was killed.
    pub(crate) struck: AtomicBool,
}

impl Victim {
    pub(crate) fn new(with_helm: bool) -> Arc<Self> {
        let victim = Self::default();
        victim.with_helm.store(with_helm, Ordering::SeqCst);
        Arc::new(victim)
    }

    /// The process is known from now on.
    pub(crate) fn is(&self, pid: u32) {
        self.pid.store(pid as usize, Ordering::SeqCst);
    }

    fn kill(&self) {
        let pid = self.pid.load(Ordering::SeqCst);
        let Some(tool) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        let children = children(pid);
        self.struck.store(true, Ordering::SeqCst);
        let _ = kill_process(tool, Signal::KILL);
        if self.with_helm.load(Ordering::SeqCst) {
            for child in children.into_iter().filter_map(Pid::from_raw) {
                // Helm runs in a process group of its own.
                let _ = kill_process_group(child, Signal::KILL);
            }
        }
    }

    /// Kills at a change.
    pub(crate) fn hook(self: &Arc<Self>, cut: Cut) -> Hook {
        let victim = Arc::clone(self);
        Arc::new(move |call: &Call, moment| {
            if call.change == 0 {
                return Act::Pass;
            }
            victim.changes.fetch_max(call.change, Ordering::SeqCst);
            let strikes = match (cut, moment) {
                (Cut::Before(at), Moment::Before) | (Cut::After(at), Moment::After) => call.change == at,
                _ => false,
            };
            if !strikes {
                return Act::Pass;
            }
            victim.kill();
            Act::Drop
        })
    }

    /// Kills once the journal below `state` has this many records.
    pub(crate) fn watch(self: &Arc<Self>, state: PathBuf, records: usize, until: Arc<AtomicBool>) -> JoinHandle<()> {
        let victim = Arc::clone(self);
        std::thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                if count_records(&state) >= records {
                    victim.kill();
                    return;
                }
                // Shorter than the time between a record and the call that follows it.
                std::thread::sleep(Duration::from_micros(300));
            }
        })
    }
}

/// Complete records in all journals below a directory.
pub(crate) fn count_records(directory: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                count_records(&path)
            } else if path.extension().is_some_and(|extension| extension == "jsonl") {
                std::fs::read(&path).map_or(0, |text| text.iter().filter(|byte| **byte == b'\n').count())
            } else {
                0
            }
        })
        .sum()
}

/// Process ids of a process's children.
fn children(pid: usize) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| {
            text.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect::<Vec<i32>>()
        })
        .collect()
}
