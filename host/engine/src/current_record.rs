//! The newest revision's record, for adapters that look at what the release is made of now.

use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;
use crate::ports::Releases;
use crate::release::{ApplyMethod, ReleaseRecord, RevisionSummary};

/// A record, and the line of the history under which it was read.
type Seen = (RevisionSummary, Arc<ReleaseRecord>);

/// The newest revision's record, read anew only when there is a newer one. Which one is newest is asked each time: a
/// rollback makes another.
#[derive(Clone)]
pub struct CurrentRecord {
    releases: Arc<dyn Releases>,
    seen: Arc<Mutex<Option<Seen>>>,
}

impl CurrentRecord {
    /// Of the release whose records these are.
    pub fn new(releases: Arc<dyn Releases>) -> Self {
        Self {
            releases,
            seen: Arc::default(),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// As [`Releases`].
    pub async fn record(&self) -> Result<Arc<ReleaseRecord>, Failure> {
        let history = self.releases.history().await?;
        let newest = history
            .into_iter()
            .last()
            .ok_or_else(|| Failure::not_found("the release has no revision"))?;
        if let Some((_, record)) = self.seen().as_ref().filter(|(summary, _)| *summary == newest) {
            return Ok(Arc::clone(record));
        }
        let record = Arc::new(self.releases.record(newest.revision).await?);
        *self.seen() = Some((newest, Arc::clone(&record)));
        Ok(record)
    }

    /// Says whether the newest record was written client-side, although the revision it was copied from was applied
    /// server-side.
    ///
    /// # Errors
    /// As [`Releases`].
    pub async fn turned_client_side(&self) -> Result<bool, Failure> {
        let newest = self.record().await?;
        match newest.rolled_back_to {
            Some(origin) if newest.apply_method == ApplyMethod::ClientSide => {
                let origin = self.releases.record(origin).await?;
                Ok(origin.apply_method == ApplyMethod::ServerSide)
            }
            _ => Ok(false),
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
