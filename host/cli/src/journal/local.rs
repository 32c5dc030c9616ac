//! The journal on this machine: one file of JSON Lines a run, every record on disk before the run goes on.

use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, OpenOptions, OpenOptionsExt};
use rustix::fs::{Mode, OFlags};
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::journal::{Entry, Journalled, RunState};
use vllm_rollback_engine::workload::EvidenceItem;

use crate::journal::dir::{JournalDir, component};
use crate::journal::record;

/// File with the state for later runs, for when the cluster does not keep it.
const MEMORY: &str = "memory.json";

/// The journal on this machine.
#[derive(Debug)]
pub(crate) struct LocalJournal {
    place: JournalDir,
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
    pub(crate) fn new(place: JournalDir) -> Self {
        Self {
            place,
            open: Mutex::new(None),
        }
    }

    /// Warning for the operator, where the directory may not outlive a reboot.
    pub(crate) fn warning(&self) -> Option<&str> {
        self.place.warning.as_deref()
    }

    /// The file of a run.
    pub(crate) fn path(&self, run_id: &str) -> PathBuf {
        self.place.directory.join(file_name(run_id))
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
                file: self.create(&entry.run_id)?,
            },
        };
        let line = record::line(entry).map_err(|error| failed(&error))?;
        // One write, so that a crash tears at most the last line.
        current
            .file
            .write_all(&line)
            .and_then(|()| current.file.sync_data())
            .map_err(|error| failed(&error))?;
        *open = Some(current);
        Ok(())
    }

    fn create(&self, run_id: &str) -> Result<File, Failure> {
        let directory = self.place.make()?;
        let create = || -> std::io::Result<File> {
            let mut options = OpenOptions::new();
            let file = directory.open_with(file_name(run_id), options.create(true).append(true).mode(0o600))?;
            sync(&directory)?;
            Ok(file)
        };
        create().map_err(|error| unwritable(&self.path(run_id)).caused_by(&error))
    }

    /// The journal of a run; empty where it did not run on this machine.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn records(&self, run_id: &str) -> Result<Journalled, Failure> {
        let read = self.place.read(&file_name(run_id)).map_err(|error| {
            let what = format!("cannot read the journal {}", self.path(run_id).display());
            Failure::external(what).caused_by(&error)
        })?;
        Ok(read.map(|text| record::read(&text)).unwrap_or_default())
    }

    /// State that earlier runs on this machine left; the default where there was none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn load_state(&self) -> Result<RunState, Failure> {
        let path = self.place.directory.join(MEMORY);
        let failed = |why: String| {
            Failure::invalid(format!("cannot read {}", path.display()))
                .because(why)
                .next(format!(
                    "move it away if it is damaged: mv {0} {0}.damaged",
                    path.display()
                ))
        };
        match self.place.read(MEMORY).map_err(|error| failed(error.to_string()))? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string())),
            None => Ok(RunState::default()),
        }
    }

    /// Writes the state for later runs; the old file is replaced as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save_state(&self, memory: &RunState) -> Result<(), Failure> {
        let directory = self.place.make()?;
        let fresh = format!("{MEMORY}.new");
        let write = || -> std::io::Result<()> {
            let bytes = serde_json::to_vec_pretty(memory)?;
            let mut file = directory.open_with(&fresh, &truncating())?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            directory.rename(&fresh, &directory, MEMORY)?;
            sync(&directory)
        };
        write().map_err(|error| unwritable(&self.place.directory.join(MEMORY)).caused_by(&error))
    }

    /// Writes evidence beside the journal. The places where it went.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(crate) fn keep(&self, run_id: &str, items: &[EvidenceItem]) -> Result<Vec<String>, Failure> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let directory = self.place.make()?;
        let root = component(run_id);
        for item in items {
            let path = below(Path::new(&root), &item.name);
            let write = || -> std::io::Result<()> {
                if let Some(parent) = path.parent() {
                    let mut private = DirBuilder::new();
                    directory.create_dir_with(parent, private.recursive(true).mode(0o700))?;
                }
                directory
                    .open_with(&path, &truncating())?
                    .write_all(item.content.as_bytes())
            };
            write().map_err(|error| unwritable(&self.place.directory.join(&path)).caused_by(&error))?;
        }
        let root = self.place.directory.join(root);
        Ok(vec![format!("{} ({} files of evidence)", root.display(), items.len())])
    }
}

fn file_name(run_id: &str) -> String {
    format!("{}.jsonl", component(run_id))
}

/// For a private file whose content is written as a whole.
fn truncating() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    options
}

/// The directory's own entries must survive a crash too.
fn sync(directory: &Dir) -> std::io::Result<()> {
    // The handle itself is only a path to the system, which cannot be synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(directory, ".", flags, Mode::empty())?;
    Ok(rustix::fs::fsync(opened)?)
}

fn unwritable(path: &Path) -> Failure {
    Failure::external(format!("cannot write the journal {}", path.display()))
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

    use vllm_rollback_engine::journal::RecordKind;
    use vllm_rollback_engine::report::StateName;

    use super::*;

    fn entry(seq: u64) -> Entry {
        Entry {
            seq,
            run_id: "01J".into(),
            at: "2026-01-02T03:04:05Z".into(),
            state: StateName::Fenced,
            edge: RecordKind::Observed {
                evidence: vec!["no endpoint".into()],
            },
        }
    }

    #[test]
    fn records_follow_each_other_in_one_private_file_a_run() {
        let home = tempfile::tempdir().unwrap();
        let journal = LocalJournal::new(JournalDir::at(home.path()));
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
        LocalJournal::new(JournalDir::at(home.path()))
            .append(&entry(1))
            .unwrap();
        let later = LocalJournal::new(JournalDir::at(home.path()));
        later.append(&entry(2)).unwrap();
        assert_eq!(std::fs::read_to_string(later.path("01J")).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_full_disk_fails_the_record_and_says_what_to_do() {
        let full = LocalJournal::new(JournalDir::at(Path::new("/dev")));
        let path = Path::new("/dev/full");
        *full.open.lock().unwrap() = Some(Open {
            run_id: "01J".into(),
            file: File::from_std(std::fs::OpenOptions::new().append(true).open(path).unwrap()),
        });
        let failure = full.append(&entry(1)).unwrap_err();
        assert!(failure.to_string().contains("No space left"), "{failure}");
        assert!(failure.next[0].contains("XDG_STATE_HOME"));
    }

    #[test]
    fn memory_is_read_back_and_a_damaged_one_is_told() {
        let home = tempfile::tempdir().unwrap();
        let journal = LocalJournal::new(JournalDir::at(home.path()));
        assert_eq!(journal.load_state().unwrap(), RunState::default());
        let mut memory = RunState::default();
        memory.rejected.push(vllm_rollback_engine::journal::Rejected {
            revision: 3,
            manifest_sha256: "ab".into(),
            reason: "crash loop".into(),
        });
        journal.save_state(&memory).unwrap();
        assert_eq!(journal.load_state().unwrap(), memory);
        std::fs::write(home.path().join(MEMORY), "{").unwrap();
        assert!(!journal.load_state().unwrap_err().next.is_empty());
    }

    #[test]
    fn a_link_does_not_lead_out_of_the_directory() {
        let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let foreign = elsewhere.path().join("foreign");
        std::fs::write(&foreign, "theirs").unwrap();
        let journal = LocalJournal::new(JournalDir::at(home.path()));
        std::os::unix::fs::symlink(&foreign, journal.path("01J")).unwrap();
        assert!(journal.append(&entry(1)).is_err());
        assert!(journal.records("01J").is_err());
        assert_eq!(std::fs::read_to_string(&foreign).unwrap(), "theirs");
    }

    #[test]
    fn evidence_stays_below_the_run_whatever_its_name() {
        let home = tempfile::tempdir().unwrap();
        let journal = LocalJournal::new(JournalDir::at(home.path()));
        let item = |name: &str| EvidenceItem {
            name: name.into(),
            content: "x".into(),
        };
        let kept = journal
            .keep("01J", &[item("logs/a.log"), item("../../b"), item("/c")])
            .unwrap();
        assert_eq!(kept.len(), 1);
        for name in ["logs/a.log", "b", "c"] {
            let file = home.path().join("01J").join(name);
            assert_eq!(
                std::fs::metadata(file).unwrap().permissions().mode() & 0o777,
                0o600,
                "{name}"
            );
        }
    }
}
