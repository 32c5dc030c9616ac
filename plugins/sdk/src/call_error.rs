//! Calls that gave nothing, and the verdict that follows.

use std::fmt;

use crate::{Verdict, contract};

/// Reason why a call gave nothing; each with the host's words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The grant or the policy does not allow it; the text says what would.
    Denied(String),
    /// The call itself is malformed.
    Invalid(String),
    /// No connection, or it broke before the answer was complete.
    Unreachable(String),
    /// No complete answer in time.
    Timeout(String),
    /// The answer is larger than the check may read.
    TooLarge(String),
    /// The check used up its number of calls or bytes.
    Budget(String),
    /// Whoever was asked could not answer, or the host is newer than this crate and has a word for it that is not known here.
    Failed(String),
}

impl From<contract::CallError> for CallError {
    fn from(error: contract::CallError) -> Self {
        let contract::CallError { kind, message } = error;
        match kind.as_str() {
            "denied" => Self::Denied(message),
            "invalid" => Self::Invalid(message),
            "unreachable" => Self::Unreachable(message),
            "timeout" => Self::Timeout(message),
            "too-large" => Self::TooLarge(message),
            "budget" => Self::Budget(message),
            "failed" => Self::Failed(message),
            other => Self::Failed(format!("{other}: {message}")),
        }
    }
}

/// The host's words.
impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail())
    }
}

impl std::error::Error for CallError {}

impl CallError {
    /// The server did not answer, or not in time: `unreachable` and `timeout`. Anything else is about the check.
    pub fn is_no_answer(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Timeout(_))
    }

    /// Returns what happened, in the host's words.
    pub fn detail(&self) -> &str {
        match self {
            Self::Denied(text)
            | Self::Invalid(text)
            | Self::Unreachable(text)
            | Self::Timeout(text)
            | Self::TooLarge(text)
            | Self::Budget(text)
            | Self::Failed(text) => text,
        }
    }

    /// The verdict where no answer counts against the server: `fail` for none, `error` when the check could not ask.
    ///
    /// `action` names the call: `GET /health`.
    pub fn fails(&self, action: &str) -> Verdict {
        let said = self.said(action);
        if self.is_no_answer() {
            Verdict::fail(said)
        } else {
            Verdict::error(said)
        }
    }

    /// The verdict where no answer tells nothing: `inconclusive` for none, `error` when the check could not ask.
    pub fn tells_nothing(&self, action: &str) -> Verdict {
        let said = self.said(action);
        if self.is_no_answer() {
            Verdict::inconclusive(said)
        } else {
            Verdict::error(said)
        }
    }

    /// One line: the call and why it has no answer.
    pub fn said(&self, action: &str) -> String {
        let kind = match self {
            Self::Denied(_) => "was not allowed",
            Self::Invalid(_) => "is malformed",
            Self::Unreachable(_) => "got no answer",
            Self::Timeout(_) => "timed out",
            Self::TooLarge(_) => "got an answer that is too large",
            Self::Budget(_) => "went past the check's limits",
            Self::Failed(_) => "failed",
        };
        format!("{action} {kind}: {}", self.detail())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    #[test]
    fn only_a_missing_answer_counts_against_the_server() {
        let outcome = |error: CallError| error.fails("GET /health").outcome;
        assert_eq!(outcome(CallError::Unreachable("refused".to_owned())), Outcome::Fail);
        assert_eq!(outcome(CallError::Timeout("5 s".to_owned())), Outcome::Fail);
        for error in [
            CallError::Denied,
            CallError::Invalid,
            CallError::TooLarge,
            CallError::Budget,
            CallError::Failed,
        ] {
            assert_eq!(outcome(error(String::new())), Outcome::Error);
        }
    }

    #[test]
    fn a_denial_says_what_was_asked_and_why_not() {
        let verdict = CallError::Denied("grant it with --grant x=host:y".to_owned()).tells_nothing("GET /secret");
        assert_eq!(verdict.outcome, Outcome::Error);
        assert_eq!(
            verdict.summary,
            "GET /secret was not allowed: grant it with --grant x=host:y"
        );
    }

    #[test]
    fn a_word_of_a_newer_host_is_an_error_that_keeps_the_word() {
        let error = CallError::from(contract::CallError {
            kind: "tls".to_owned(),
            message: "the certificate expired".to_owned(),
        });
        assert_eq!(error, CallError::Failed("tls: the certificate expired".to_owned()));
        assert_eq!(error.fails("GET /health").outcome, Outcome::Error);
    }
}
