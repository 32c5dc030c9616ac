//! Why a run does not reach its next state.

use crate::failure::{Failure, FailureKind};
use crate::report::ExitCode;
use crate::write_error::WriteError;

/// Reason why a run does not reach its next state. What follows depends on what was changed so far: see `Progress`.
#[derive(Debug)]
pub(crate) enum StepError {
    /// Something could not be done, or is not as it must be.
    Failed(Failure),
    /// A check did not pass.
    CheckFailed(Failure),
    /// Something that the plan rests on changed.
    Stale(Failure),
    /// The lock is no longer ours: another run may be at work, so nothing more is changed.
    LockLost(Failure),
    /// The operator asked to stop.
    Interrupted,
}

impl StepError {
    /// The exit code when nothing was changed.
    pub(crate) fn exit_unchanged(&self) -> ExitCode {
        match self {
            Self::Failed(failure) => match failure.kind {
                FailureKind::Locked => ExitCode::Locked,
                FailureKind::GitOps => ExitCode::GitOps,
                _ => ExitCode::Refused,
            },
            Self::LockLost(_) => ExitCode::Locked,
            Self::Stale(_) => ExitCode::Stale,
            Self::CheckFailed(_) | Self::Interrupted => ExitCode::Refused,
        }
    }

    /// The exit code when the model was taken out of traffic and stays out.
    pub(crate) fn exit_held(&self) -> ExitCode {
        match self {
            Self::CheckFailed(_) => ExitCode::HeldCheckFailed,
            Self::Failed(_) | Self::Stale(_) => ExitCode::HeldRollbackFailed,
            Self::LockLost(_) | Self::Interrupted => ExitCode::Unknown,
        }
    }

    /// Returns the failure; none when the operator asked to stop.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::CheckFailed(failure) | Self::Stale(failure) | Self::LockLost(failure) => {
                Some(failure)
            }
            Self::Interrupted => None,
        }
    }

    /// The failure to report; `interrupted` says what an interruption left.
    pub(crate) fn into_failure(self, interrupted: &str) -> Failure {
        let failure = self.failure().cloned();
        failure.unwrap_or_else(|| Failure::new(FailureKind::Interrupted, interrupted))
    }
}

impl From<WriteError> for StepError {
    fn from(error: WriteError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
