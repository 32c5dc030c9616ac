//! The journal on this machine: one file of JSON Lines a run, every record on disk before the run goes on.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::journal::{Entry, Memory};
use vllm_rollback_engine::workload::EvidenceItem;

use crate::journal::line::{self, Journalled};
use crate::journal::place::{Place, component};

/// What later runs must know, for when the cluster does not keep it.
const MEMORY: &str = "memory.json";

/// The journal on this machine.
#[derive(Debug)]
pub(crate) struct LocalJournal {
    place: Place,
    open: Mutex<Option<Open>>,
}

/// The file of the run that is being written.
#[derive(Debug)]
struct Open {
    run_id: String,
    file: File,
}

impl LocalJournal {
    /// In this place.
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            open: Mutex::new(None),
        }
    }

    /// What the operator should know of the place before it is used.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.place.warning.as_deref()
    }

    /// The file of a run.
    pub(crate) fn path(&self, run_id: &str) -> PathBuf {
        self.place.directory.join(format!("{}.jsonl", component(run_id)))
    }

    /// Appends one record and waits until it is on disk.
    ///
    /// # Errors
    /// When it cannot be written, a full disk included.
    pub(crate) fn append(&self, entry: &Entry) -> Result<(), Failure> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(&entry.run_id);
        let failed = |error: &dyn std::error::Error| unwritable(&path).because(error.to_string());
        let mut current = match open.take() {
            Some(current) if current.run_id == entry.run_id => current,
            _ => Open {
                run_id: entry.run_id.clone(),
                file: self.create(&path)?,
            },
        };
        let line = line::line(entry).map_err(|error| failed(&error))?;
        // One write, so that a crash tears at most the last line.
        current
            .file
            .write_all(&line)
            .and_then(|()| current.file.sync_data())
            .map_err(|error| failed(&error))?;
        *open = Some(current);
        Ok(())
    }

    fn create(&self, path: &Path) -> Result<File, Failure> {
        self.place.make()?;
        let create = || -> std::io::Result<File> {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
            // The directory's own entry must survive a crash too.
            File::open(&self.place.directory)?.sync_all()?;
            Ok(file)
        };
        create().map_err(|error| unwritable(path).caused_by(&error))
    }

    /// The journal of a run; empty where it did not run on this machine.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn records(&self, run_id: &str) -> Result<Journalled, Failure> {
        let path = self.path(run_id);
        match std::fs::read(&path) {
            Ok(text) => Ok(line::read(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Journalled::default()),
            Err(error) => {
                let what = format!("cannot read the journal {}", path.display());
                Err(Failure::new(FailureKind::External, what).caused_by(&error))
            }
        }
    }

    /// What earlier runs on this machine left; nothing when there was none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        let path = self.place.directory.join(MEMORY);
        let failed = |why: String| {
            Failure::new(FailureKind::Invalid, format!("cannot read {}", path.display()))
                .because(why)
                .next(format!(
                    "move it away if it is damaged: mv {0} {0}.damaged",
                    path.display()
                ))
        };
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Memory::default()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Writes what later runs must know; the old text is replaced as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn remember(&self, memory: &Memory) -> Result<(), Failure> {
        self.replace(MEMORY, memory)
    }

    fn replace<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Failure> {
        self.place.make()?;
        let path = self.place.directory.join(name);
        let fresh = self.place.directory.join(format!("{name}.new"));
        let write = || -> std::io::Result<()> {
            let bytes = serde_json::to_vec_pretty(value)?;
            let mut file = OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)?;
            File::open(&self.place.directory)?.sync_all()
        };
        write().map_err(|error| unwritable(&path).caused_by(&error))
    }

    /// Writes evidence beside the journal. The places where it went.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn keep(&self, run_id: &str, items: &[EvidenceItem]) -> Result<Vec<String>, Failure> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        self.place.make()?;
        let root = self.place.directory.join(component(run_id));
        for item in items {
            let path = below(&root, &item.name);
            let write = || -> std::io::Result<()> {
                if let Some(parent) = path.parent() {
                    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
                }
                let mut options = OpenOptions::new();
                let mut file = options
                    .create(true)
                    .write(true)
                    .truncate(true)
                    .mode(0o600)
                    .open(&path)?;
                file.write_all(item.content.as_bytes())
            };
            write().map_err(|error| unwritable(&path).caused_by(&error))?;
        }
        Ok(vec![format!("{} ({} files of evidence)", root.display(), items.len())])
    }
}

fn unwritable(path: &Path) -> Failure {
    Failure::new(
        FailureKind::External,
        format!("cannot write the journal {}", path.display()),
    )
    .next("make room there, or export XDG_STATE_HOME=… to a directory that has some")
}

/// `logs/pod.log` below `root`, whatever the name tries.
fn below(root: &Path, name: &str) -> PathBuf {
    Path::new(name)
        .components()
        .filter_map(|part| match part {
            Component::Normal(word) => Some(component(&word.to_string_lossy())),
            _ => None,
        })
        .fold(root.to_owned(), |path, part| path.join(part))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use vllm_rollback_engine::journal::Edge;
    use vllm_rollback_engine::report::StateName;

    use super::*;

    fn entry(seq: u64) -> Entry {
        Entry {
            seq,
            run_id: "01J".into(),
            at: "2026-01-02T03:04:05Z".into(),
            state: StateName::Fenced,
            edge: Edge::Observed {
                evidence: vec!["no endpoint".into()],
            },
        }
    }

    #[test]
    fn records_follow_each_other_in_one_private_file_a_run() {
        let home = tempfile::tempdir().unwrap();
        let journal = LocalJournal::new(Place::at(home.path()));
        journal.append(&entry(1)).unwrap();
        journal.append(&entry(2)).unwrap();
        let path = journal.path("01J");
        assert_eq!(journal.records("01J").unwrap().entries, [entry(1), entry(2)]);
        assert_eq!(journal.records("01K").unwrap(), Journalled::default());
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_later_process_appends_and_does_not_overwrite() {
        let home = tempfile::tempdir().unwrap();
        LocalJournal::new(Place::at(home.path())).append(&entry(1)).unwrap();
        let later = LocalJournal::new(Place::at(home.path()));
        later.append(&entry(2)).unwrap();
        assert_eq!(std::fs::read_to_string(later.path("01J")).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_full_disk_fails_the_record_and_says_what_to_do() {
        let full = LocalJournal::new(Place::at(Path::new("/dev")));
        let path = Path::new("/dev/full");
        *full.open.lock().unwrap() = Some(Open {
            run_id: "01J".into(),
            file: OpenOptions::new().append(true).open(path).unwrap(),
        });
        let failure = full.append(&entry(1)).unwrap_err();
        assert!(failure.to_string().contains("No space left"), "{failure}");
        assert!(failure.next[0].contains("XDG_STATE_HOME"));
    }

    #[test]
    fn memory_is_read_back_and_a_damaged_one_is_told() {
        let home = tempfile::tempdir().unwrap();
        let journal = LocalJournal::new(Place::at(home.path()));
        assert_eq!(journal.memory().unwrap(), Memory::default());
        let mut memory = Memory::default();
        memory.rejected.push(vllm_rollback_engine::journal::Rejected {
            revision: 3,
            manifest_sha256: "ab".into(),
            reason: "crash loop".into(),
        });
        journal.remember(&memory).unwrap();
        assert_eq!(journal.memory().unwrap(), memory);
        std::fs::write(home.path().join(MEMORY), "{").unwrap();
        assert!(!journal.memory().unwrap_err().next.is_empty());
    }

    #[test]
    fn evidence_stays_below_the_run_whatever_its_name() {
        let home = tempfile::tempdir().unwrap();
        let journal = LocalJournal::new(Place::at(home.path()));
        let item = |name: &str| EvidenceItem {
            name: name.into(),
            content: "x".into(),
        };
        let kept = journal
            .keep("01J", &[item("logs/a.log"), item("../../b"), item("/c")])
            .unwrap();
        assert_eq!(kept.len(), 1);
        for name in ["logs/a.log", "b", "c"] {
            assert!(home.path().join("01J").join(name).is_file(), "{name}");
        }
    }
}
