//! A write that somebody else carries out, and that was not seen to be done.

use std::fmt;

use crate::failure::Failure;

/// Outcome of a write that was not seen to be done. What a write can be told to have ended in decides what may be said of it
/// later; the failure inside is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// It was refused, or never asked for: it is not done, and will not be.
    Rejected(Failure),
    /// No answer tells: it may be done, or may be yet.
    Unknown(Failure),
}

impl WriteError {
    /// The failure, for people.
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Rejected(failure) | Self::Unknown(failure) => failure,
        }
    }

    /// The same outcome with more in its failure.
    #[must_use]
    pub fn map(self, more: impl FnOnce(Failure) -> Failure) -> Self {
        match self {
            Self::Rejected(failure) => Self::Rejected(more(failure)),
            Self::Unknown(failure) => Self::Unknown(more(failure)),
        }
    }

    /// Outcome of several writes at the same time: the first of which nothing is known, else the first that was rejected.
    ///
    /// # Errors
    /// When one was not done.
    pub fn of_all(written: impl IntoIterator<Item = Result<(), Self>>) -> Result<(), Self> {
        let mut failed: Vec<Self> = written.into_iter().filter_map(Result::err).collect();
        failed.sort_by_key(|error| matches!(error, Self::Rejected(_)));
        failed.into_iter().next().map_or(Ok(()), Err)
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure().fmt(f)
    }
}

/// What nobody knows to be a rejection may have been done.
impl From<Failure> for WriteError {
    fn from(failure: Failure) -> Self {
        Self::Unknown(failure)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Rejected(failure) | WriteError::Unknown(failure) => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn of_several_writes_the_one_of_which_nothing_is_known_decides() {
        let failure = |what: &str| Failure::external(what);
        let rejected = || Err(WriteError::Rejected(failure("no")));
        let unknown = || Err(WriteError::Unknown(failure("lost")));
        assert_eq!(WriteError::of_all([Ok(()), rejected(), unknown()]), unknown());
        assert_eq!(WriteError::of_all([rejected(), Ok(())]), rejected());
        assert_eq!(WriteError::of_all([Ok(())]), Ok(()));
    }

    #[test]
    fn an_outcome_keeps_its_kind_when_its_failure_is_told_more_of_and_is_shown_by_it() {
        let failure = |what: &str| Failure::external(what);
        let more = |failure: Failure| failure.because("the row is gone");
        let rejected = WriteError::Rejected(failure("no")).map(more);
        assert_eq!(rejected, WriteError::Rejected(more(failure("no"))));
        let unknown = WriteError::Unknown(failure("lost")).map(more);
        assert_eq!(unknown, WriteError::Unknown(more(failure("lost"))));
        assert_eq!(unknown.to_string(), more(failure("lost")).to_string());
        assert_eq!(Failure::from(unknown), more(failure("lost")));
    }

    #[test]
    fn a_failure_that_says_no_more_is_no_rejection() {
        let failure = Failure::new(FailureKind::Forbidden, "x");
        assert_eq!(WriteError::from(failure.clone()), WriteError::Unknown(failure));
    }
}
