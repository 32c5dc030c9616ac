//! From a failure to its exit code.

use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_engine::report::ExitCode;

/// The exit code of a verb that failed before it had a result of its own.
pub(crate) fn code(failure: &Failure) -> ExitCode {
    match failure.kind {
        FailureKind::Usage => ExitCode::Usage,
        FailureKind::Locked => ExitCode::Locked,
        FailureKind::GitOps => ExitCode::GitOps,
        FailureKind::Unfinished => ExitCode::Unknown,
        FailureKind::NotFound
        | FailureKind::Forbidden
        | FailureKind::Unreachable
        | FailureKind::Conflict
        | FailureKind::Timeout
        | FailureKind::Invalid
        | FailureKind::Refused
        | FailureKind::External
        | FailureKind::Interrupted
        | FailureKind::Internal => ExitCode::Refused,
    }
}
