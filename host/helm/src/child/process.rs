//! Runs the child to its end, or to the deadline.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use vllm_rollback_engine::failure::Failure;

use vllm_rollback_objects::redaction;

/// Time between asking the child to end and killing it.
const GRACE: Duration = Duration::from_secs(10);

/// Part of stderr that is kept: bytes read from its end, lines, characters of a line.
const TAIL_BYTES: u64 = 64 * 1024;
const TAIL_LINES: usize = 20;
const LINE_CHARS: usize = 600;

/// End of the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildExit {
    /// Exit code; none when a signal ended it.
    pub exit_code: Option<i32>,
    /// We ended it, because its time was over.
    pub timed_out: bool,
    /// Last lines of its stderr, redacted.
    pub stderr_tail: Vec<String>,
}

/// Error of a child whose end was not seen.
#[derive(Debug)]
pub enum ChildError {
    /// Nothing ran.
    NotStarted(Failure),
    /// A child ran, and how it ended is not known: it may be at work still.
    Lost(Failure),
}

impl From<Failure> for ChildError {
    fn from(failure: Failure) -> Self {
        Self::NotStarted(failure)
    }
}

/// Runs it. stderr goes to a file without a name rather than to a pipe: were we to die or be cancelled, helm's next
/// warning would meet a broken pipe and kill it half way.
pub(super) async fn run(
    path: &Path,
    mut command: Command,
    deadline: Duration,
    secret: Option<&str>,
) -> Result<ChildExit, ChildError> {
    let not_started = |error: &std::io::Error| {
        Failure::external(format!("{} cannot be run", path.display()))
            .caused_by(error)
            .next(format!("{} version", path.display()))
    };
    let mut stderr = tempfile::tempfile().map_err(|e| not_started(&e))?;
    let writer = stderr.try_clone().map_err(|e| not_started(&e))?;
    command
        .stdout(Stdio::null())
        .stderr(Stdio::from(writer))
        .kill_on_drop(false);
    let mut child = command.spawn().map_err(|e| not_started(&e))?;
    let (status, timed_out) = match tokio::time::timeout(deadline, child.wait()).await {
        Ok(status) => (status, false),
        Err(_) => (end(&mut child).await, true),
    };
    let status = status.map_err(|error| {
        // Not knowing how it ended is not knowing what it did.
        ChildError::Lost(Failure::internal("the helm process was lost").caused_by(&error))
    })?;
    let stderr_tail = tail(&mut stderr, secret);
    Ok(ChildExit {
        exit_code: status.code(),
        timed_out,
        stderr_tail,
    })
}

/// Ends the whole group: helm may have started credential helpers.
async fn end(child: &mut Child) -> std::io::Result<std::process::ExitStatus> {
    signal(child, Signal::TERM);
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    signal(child, Signal::KILL);
    child.wait().await
}

fn signal(child: &Child, signal: Signal) {
    // No id once it was waited for: then nobody is left to be told.
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group
        && let Err(error) = kill_process_group(group, signal)
    {
        tracing::debug!("cannot signal helm's process group: {error}");
    }
}

fn tail(file: &mut File, secret: Option<&str>) -> Vec<String> {
    let mut bytes = Vec::new();
    let read = file
        .seek(SeekFrom::End(0))
        .and_then(|length| file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))))
        .and_then(|_| file.read_to_end(&mut bytes));
    if let Err(error) = read {
        return vec![format!("(its stderr cannot be read: {error})")];
    }
    clean(&String::from_utf8_lossy(&bytes), secret)
}

/// The last lines, bounded, without secrets.
fn clean(text: &str, secret: Option<&str>) -> Vec<String> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].iter().map(|line| clean_line(line, secret)).collect()
}

fn clean_line(line: &str, secret: Option<&str>) -> String {
    let mut line = line.to_owned();
    if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
        line = line.replace(secret, "<redacted>");
    }
    // The API server quotes refused values, those of Secrets too: `Secret "x" is invalid: data: Invalid value: "…"`.
    if line.contains("Secret")
        && let Some(at) = line.find("Invalid value:")
    {
        line.truncate(at);
        line.push_str("Invalid value: <redacted>");
    }
    let line = redaction::text(&line);
    match line.char_indices().nth(LINE_CHARS) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::Connection;

    async fn run_shell(script: &str, deadline: Duration) -> ChildExit {
        let path = Path::new("/bin/sh");
        let command = Connection::default().command(path, "ml", &["-c", script]);
        run(path, command, deadline, Some("t0ken")).await.unwrap()
    }

    #[tokio::test]
    async fn exit_code_and_stderr_are_brought_back() {
        let script = "echo out; echo \"Error: no $HELM_NO_PLUGINS t0ken\" >&2; exit 3";
        let ended = run_shell(script, Duration::from_secs(30)).await;
        assert_eq!(ended.exit_code, Some(3));
        assert_eq!(ended.stderr_tail, ["Error: no 1 <redacted>"]);
        assert!(!ended.timed_out);
    }

    #[tokio::test]
    async fn a_child_and_its_children_are_ended_at_the_deadline() {
        let ended = run_shell("sleep 600 & wait", Duration::from_millis(50)).await;
        assert!(ended.timed_out);
        assert_eq!(ended.exit_code, None);
    }

    #[tokio::test]
    async fn a_cancelled_run_leaves_the_child_at_work() {
        let dir = tempfile::tempdir().unwrap();
        let done = dir.path().join("done");
        let gate = dir.path().join("gate");
        let script = format!(
            "until [ -e {} ]; do sleep 0.05; done; echo late >&2; touch {}",
            gate.display(),
            done.display()
        );
        let future = run_shell(&script, Duration::from_secs(60));
        assert!(tokio::time::timeout(Duration::from_millis(100), future).await.is_err());
        std::fs::write(&gate, "").unwrap();
        let seen = async {
            while !done.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), seen)
            .await
            .expect("the child went on to its end");
    }

    #[test]
    fn only_the_last_lines_are_kept_and_each_is_bounded() {
        let text = (0..100)
            .map(|n| format!("{n} {}\n", "x".repeat(1000)))
            .collect::<String>();
        let lines = clean(&text, None);
        assert_eq!(lines.len(), TAIL_LINES);
        assert!(lines[0].starts_with("80 ") && lines[0].chars().count() == LINE_CHARS + 1);
    }

    #[test]
    fn a_refused_value_of_a_secret_is_hidden() {
        let line =
            "Error: cannot patch \"k\" with kind Secret: Secret \"k\" is invalid: data: Invalid value: \"hunter2\": x";
        assert!(!clean_line(line, None).contains("hunter2"));
    }
}
