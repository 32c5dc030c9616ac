//! The engine's journal: records on this machine, and what later runs must know in the cluster too.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::journal::{Entry, Journalled, RunState};
use vllm_rollback_engine::ports::{Journal, SharedStore};
use vllm_rollback_engine::workload::EvidenceItem;

use crate::journal::local::LocalJournal;
use crate::journal::record;

/// Tells the operator something.
pub(crate) type Warn = Arc<dyn Fn(&str) + Send + Sync>;

/// The engine's journal.
pub(crate) struct MirroredJournal<M> {
    local: LocalJournal,
    mirror: M,
    warn: Warn,
    state: Mutex<MirrorState>,
}

/// This process's knowledge of the text in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
enum MirrorState {
    /// Not read yet.
    Unread,
    /// At this version; none when it is not there yet.
    At(Option<String>),
    /// As this run wrote it: others read there that it is at work.
    Written(Option<String>),
    /// This user may not read or write it.
    Forbidden,
}

impl<M: SharedStore> MirroredJournal<M> {
    /// Both places.
    pub(crate) fn new(local: LocalJournal, mirror: M, warn: Warn) -> Self {
        Self {
            local,
            mirror,
            warn,
            state: Mutex::new(MirrorState::Unread),
        }
    }

    /// Last entry of a run in this machine's journal, as a sentence; none where it ran elsewhere.
    pub(crate) fn last_entry(&self, run_id: &str) -> Option<String> {
        let journalled = match self.local.records(run_id) {
            Ok(journalled) => journalled,
            Err(failure) => return Some(failure.to_string()),
        };
        match (journalled.entries.last(), journalled.damaged) {
            (Some(last), None) => Some(record::sentence(last)),
            (_, Some(number)) => {
                let path = self.local.path(run_id);
                Some(format!("line {number} of {} was changed or is damaged", path.display()))
            }
            (None, None) => None,
        }
    }

    fn state(&self) -> MirrorState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: MirrorState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn is_written(&self) -> bool {
        matches!(self.state(), MirrorState::Written(_))
    }

    /// A text may have been written although the answer did not arrive: look.
    async fn found_after_all(&self, text: &str, failure: Failure) -> Result<(), Failure> {
        match self.mirror.read().await {
            Ok(now) if now.text.as_deref() == Some(text) => {
                self.set(MirrorState::Written(now.version));
                Ok(())
            }
            _ => Err(failure),
        }
    }

    fn forbidden(&self, failure: &Failure) {
        if self.state() != MirrorState::Forbidden {
            self.set(MirrorState::Forbidden);
            (self.warn)(&format!(
                "the state of this run is kept on this machine only, other machines will not see it: {failure}"
            ));
        }
    }
}

#[async_trait]
impl<M: SharedStore> Journal for MirroredJournal<M> {
    async fn load_state(&self) -> Result<RunState, Failure> {
        match self.mirror.read().await {
            Ok(shared) => {
                self.set(MirrorState::At(shared.version));
                // What was removed from the cluster was removed on purpose, so this machine's copy is not asked.
                let Some(text) = shared.text else {
                    return Ok(RunState::default());
                };
                serde_json::from_str(&text).map_err(|error| {
                    Failure::invalid("the state of earlier runs in the cluster cannot be read")
                        .caused_by(&error)
                        .next(self.mirror.shown_by())
                })
            }
            Err(failure) if failure.kind == FailureKind::Forbidden => {
                self.forbidden(&failure);
                self.local.load_state()
            }
            Err(failure) => Err(failure),
        }
    }

    async fn append(&self, entry: &Entry) -> Result<(), Failure> {
        if let (1, Some(warning)) = (entry.seq, self.local.warning()) {
            (self.warn)(warning);
        }
        self.local.append(entry)
    }

    async fn records(&self, run_id: &str) -> Result<Journalled, Failure> {
        self.local.records(run_id)
    }

    async fn save_state(&self, memory: &RunState) -> Result<(), Failure> {
        self.local.save_state(memory)?;
        let text = serde_json::to_string(memory)
            .map_err(|error| Failure::internal("cannot write the state that later runs need").caused_by(&error))?;
        let version = match self.state() {
            MirrorState::Forbidden => return Ok(()),
            MirrorState::At(version) | MirrorState::Written(version) => version,
            MirrorState::Unread => self.mirror.read().await?.version,
        };
        match self.mirror.write(&text, version.as_deref()).await {
            Ok(version) => {
                self.set(MirrorState::Written(version));
                Ok(())
            }
            // What this run wrote there is no longer true, so the run must not go on as if nobody read it.
            Err(failure) if failure.kind == FailureKind::Forbidden && self.is_written() => Err(failure),
            Err(failure) if failure.kind == FailureKind::Forbidden => {
                self.forbidden(&failure);
                Ok(())
            }
            Err(failure) if matches!(failure.kind, FailureKind::Unreachable | FailureKind::Timeout) => {
                self.found_after_all(&text, failure).await
            }
            Err(failure) => Err(failure),
        }
    }

    async fn keep(&self, run_id: &str, items: &[EvidenceItem]) -> Result<Vec<String>, Failure> {
        let mut places = vec![format!("{} (journal)", self.local.path(run_id).display())];
        places.extend(self.local.keep(run_id, items)?);
        Ok(places)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use vllm_rollback_engine::journal::Rejected;
    use vllm_rollback_engine::ports::Versioned;

    use super::*;
    use crate::journal::dir::JournalDir;

    #[derive(Default)]
    struct FakeMirror {
        shared: Mutex<Versioned>,
        forbidden: AtomicBool,
        /// The next answer to a write is lost.
        loses_answer: AtomicBool,
    }

    #[async_trait]
    impl SharedStore for FakeMirror {
        async fn read(&self) -> Result<Versioned, Failure> {
            self.allowed()?;
            Ok(self.shared.lock().unwrap().clone())
        }
        async fn write(&self, text: &str, over: Option<&str>) -> Result<Option<String>, Failure> {
            self.allowed()?;
            let mut shared = self.shared.lock().unwrap();
            if shared.version.as_deref() != over {
                return Err(Failure::conflict("changed"));
            }
            let next = over.map_or(1, |version| version.parse::<u64>().unwrap() + 1);
            *shared = Versioned {
                text: Some(text.into()),
                version: Some(next.to_string()),
            };
            if self.loses_answer.swap(false, Ordering::SeqCst) {
                return Err(Failure::new(FailureKind::Unreachable, "no answer"));
            }
            Ok(shared.version.clone())
        }
        fn shown_by(&self) -> String {
            "kubectl get configmap".into()
        }
    }

    impl FakeMirror {
        fn allowed(&self) -> Result<(), Failure> {
            if self.forbidden.load(Ordering::SeqCst) {
                Err(Failure::new(FailureKind::Forbidden, "no"))
            } else {
                Ok(())
            }
        }
    }

    fn load_state(revision: u32) -> RunState {
        RunState {
            rejected: vec![Rejected {
                revision,
                manifest_sha256: "ab".into(),
                reason: "crash loop".into(),
            }],
            ..RunState::default()
        }
    }

    fn journal(mirror: FakeMirror) -> (MirroredJournal<FakeMirror>, tempfile::TempDir, Arc<AtomicUsize>) {
        let home = tempfile::tempdir().unwrap();
        let warnings = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&warnings);
        let warn: Warn = Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        (
            MirroredJournal::new(LocalJournal::new(JournalDir::at(home.path())), mirror, warn),
            home,
            warnings,
        )
    }

    #[tokio::test]
    async fn another_machine_reads_what_this_one_left() {
        let (journal, _home, warnings) = journal(FakeMirror::default());
        assert_eq!(journal.load_state().await.unwrap(), RunState::default());
        journal.save_state(&load_state(2)).await.unwrap();
        journal.save_state(&load_state(3)).await.unwrap();
        assert_eq!(journal.load_state().await.unwrap(), load_state(3));
        assert_eq!(warnings.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_user_who_may_not_write_it_is_warned_once_and_keeps_it_locally() {
        let (journal, _home, warnings) = journal(FakeMirror {
            forbidden: true.into(),
            ..FakeMirror::default()
        });
        assert_eq!(journal.load_state().await.unwrap(), RunState::default());
        journal.save_state(&load_state(2)).await.unwrap();
        assert_eq!(journal.load_state().await.unwrap(), load_state(2));
        assert_eq!(warnings.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_text_that_was_written_without_an_answer_is_found_again() {
        let (journal, _home, _) = journal(FakeMirror::default());
        for revision in [2, 3] {
            journal.mirror.loses_answer.store(true, Ordering::SeqCst);
            journal.save_state(&load_state(revision)).await.unwrap();
            assert_eq!(journal.load_state().await.unwrap(), load_state(revision));
        }
    }

    #[tokio::test]
    async fn a_user_who_may_no_longer_write_what_others_read_is_not_let_go_on() {
        let (journal, _home, _) = journal(FakeMirror::default());
        journal.save_state(&load_state(2)).await.unwrap();
        journal.mirror.forbidden.store(true, Ordering::SeqCst);
        let failure = journal.save_state(&load_state(3)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Forbidden);
    }

    #[tokio::test]
    async fn a_change_by_somebody_else_is_not_overwritten() {
        let (journal, _home, _) = journal(FakeMirror::default());
        journal.load_state().await.unwrap();
        journal.mirror.write("{}", None).await.unwrap();
        assert_eq!(
            journal.save_state(&load_state(2)).await.unwrap_err().kind,
            FailureKind::Conflict
        );
    }

    #[tokio::test]
    async fn a_damaged_text_is_told_with_the_command_that_shows_it() {
        let (journal, _home, _) = journal(FakeMirror::default());
        journal.mirror.write("{", None).await.unwrap();
        assert_eq!(journal.load_state().await.unwrap_err().next, ["kubectl get configmap"]);
    }
}
