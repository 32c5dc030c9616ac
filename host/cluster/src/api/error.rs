//! What an API call can end in, without secrets and with all its causes.

use std::time::Duration;

use kube::Error;
use kube::client::AuthError;
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::{Failure, FailureKind};

/// A failed API call.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    /// HTTP status of the API server's answer; none when there was no answer.
    pub(crate) code: Option<u16>,
    /// The API server's reason word: `NotFound`, `AlreadyExists`, `Conflict`, …
    pub(crate) reason: String,
    /// Texts, outermost first.
    pub(crate) texts: Vec<String>,
    /// The server asks to wait this long.
    pub(crate) retry_after: Option<Duration>,
    kind: FailureKind,
}

impl ApiError {
    /// No answer in time.
    pub(crate) fn no_answer(after: Duration) -> Self {
        Self::plain(
            FailureKind::Unreachable,
            format!("the API server did not answer within {} s", after.as_secs()),
        )
    }

    /// An answer that makes no sense.
    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::plain(FailureKind::Invalid, text.into())
    }

    /// kube's outer texts hide the cause ("client error (Connect)").
    fn unreachable(error: &(dyn std::error::Error + 'static)) -> Self {
        let failure = Failure::new(FailureKind::Unreachable, "").caused_by(error);
        Self {
            texts: failure.why,
            ..Self::plain(failure.kind, String::new())
        }
    }

    fn plain(kind: FailureKind, text: String) -> Self {
        Self {
            code: None,
            reason: String::new(),
            texts: vec![text],
            retry_after: None,
            kind,
        }
    }

    /// The object, or its kind, does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.code == Some(404)
    }

    /// Not allowed by RBAC, or not known, or without credentials at all.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.kind == FailureKind::Forbidden
    }

    /// The resourceVersion or a test in a patch did not match.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code == Some(409) && self.reason != "AlreadyExists"
    }

    /// The object exists already.
    pub(crate) fn is_already_exists(&self) -> bool {
        self.code == Some(409) && self.reason == "AlreadyExists"
    }

    /// The watch's resourceVersion is too old.
    pub(crate) fn is_gone(&self) -> bool {
        self.code == Some(410)
    }

    /// A read may be tried again: overload, a server that is starting, a broken connection.
    pub(crate) fn is_transient(&self) -> bool {
        match self.code {
            Some(code) => matches!(code, 429 | 500 | 502 | 503 | 504),
            None => self.kind == FailureKind::Unreachable,
        }
    }

    /// One line.
    pub(crate) fn text(&self) -> String {
        self.texts.join(": ")
    }

    /// The failure that a person sees.
    pub(crate) fn into_failure(self, what: impl Into<String>) -> Failure {
        let mut failure = Failure::new(self.kind, what);
        failure.why = self.texts;
        match self.code {
            Some(401) => failure.next("check the credentials of this context: kubectl auth whoami"),
            Some(403) => failure.next("ask for the missing permission, or use another context with --context"),
            Some(429 | 500 | 502 | 503 | 504) => failure.next("the API server is overloaded or starting: try again"),
            None if self.kind == FailureKind::Forbidden => failure.next("log in again, then try: kubectl auth whoami"),
            None if self.kind == FailureKind::Unreachable => {
                failure.next("check that the cluster can be reached: kubectl cluster-info")
            }
            _ => failure,
        }
    }

    /// The outcome of a write: only an answer that says no is a rejection.
    pub(crate) fn into_write_error(self, what: impl Into<String>) -> WriteError {
        let was_never_sent = self.code.is_none() && self.kind == FailureKind::Forbidden;
        match self.code {
            // 408: the server stopped waiting for us, or its store did for the write.
            Some(code) if (400..500).contains(&code) && code != 408 => WriteError::Rejected(self.into_failure(what)),
            _ if was_never_sent => WriteError::Rejected(self.into_failure(what)),
            _ => WriteError::Unknown(self.into_failure(what)),
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(status) => Self {
                code: Some(status.code),
                kind: kind_of(status.code),
                retry_after: status
                    .details
                    .as_ref()
                    .map(|d| u64::from(d.retry_after_seconds))
                    .filter(|s| *s > 0)
                    .map(Duration::from_secs),
                texts: vec![if status.message.is_empty() {
                    format!("the API server answered {} {}", status.code, status.reason)
                } else {
                    status.message
                }],
                reason: status.reason,
            },
            Error::Auth(error) => Self::plain(FailureKind::Forbidden, auth_text(&error)),
            Error::SerdeError(error) => Self::invalid(format!("the API server's answer cannot be read: {error}")),
            Error::Service(error) => match error.downcast::<AuthError>() {
                Ok(error) => Self::plain(FailureKind::Forbidden, auth_text(&error)),
                Err(error) => Self::unreachable(error.as_ref()),
            },
            other => Self::unreachable(&other),
        }
    }
}

fn kind_of(code: u16) -> FailureKind {
    match code {
        401 | 403 => FailureKind::Forbidden,
        404 => FailureKind::NotFound,
        409 => FailureKind::Conflict,
        408 | 504 => FailureKind::Timeout,
        429 | 500.. => FailureKind::Unreachable,
        _ => FailureKind::Invalid,
    }
}

/// kube's own text shows the plugin's standard output, which holds the token, and its environment and arguments.
fn auth_text(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { out, .. } => {
            let stderr = String::from_utf8_lossy(&out.stderr);
            let last = stderr
                .lines()
                .rev()
                .find(|l| !l.trim().is_empty())
                .unwrap_or("no message");
            format!(
                "the kubeconfig's credential plugin ended with {}: {}",
                out.status,
                last.chars().take(300).collect::<String>()
            )
        }
        AuthError::AuthExecParse(_) => "the credential plugin's answer cannot be read".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_plugins_output_never_reaches_the_text() {
        let out = std::process::Output {
            status: std::process::ExitStatus::default(),
            stdout: b"{\"token\":\"canary\"}".to_vec(),
            stderr: b"login expired\n".to_vec(),
        };
        let error = AuthError::AuthExecRun {
            cmd: "\"sh\" \"canary\"".into(),
            out: Box::new(out),
        };
        let text = ApiError::from(Error::Auth(error)).text();
        assert!(text.contains("login expired"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }

    #[test]
    fn a_create_that_lost_a_race_differs_from_a_stale_update() {
        let status = |reason: &str| {
            let mut status = kube::core::Status::failure("m", reason);
            status.code = 409;
            ApiError::from(Error::Api(status.boxed()))
        };
        assert!(status("AlreadyExists").is_already_exists());
        assert!(status("Conflict").is_conflict());
        assert!(!status("AlreadyExists").is_conflict());
    }
}
