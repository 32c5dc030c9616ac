//! Runs a site's tool.

use std::collections::BTreeMap;
use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use vllm_rollback_engine::WriteError;
use vllm_rollback_engine::failure::{Failure, FailureKind};
use vllm_rollback_objects::redaction;

/// A registry's entries fit; more is not read.
const MAX_STDOUT: usize = 1 << 20;
/// Enough for the reason.
const MAX_STDERR: usize = 16 << 10;
/// Characters of a tool's complaint that are shown.
const MAX_COMPLAINT: usize = 300;

/// Environment and time limit of a command.
#[derive(Clone)]
pub struct ProcessEnv {
    /// All environment variables; none are inherited.
    pub env: BTreeMap<String, String>,
    /// Names in `env` whose values are never shown.
    pub secret: Vec<String>,
    /// Longest run; after that the command is killed.
    pub timeout: Duration,
}

/// Values may be secrets.
impl fmt::Debug for ProcessEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.env.keys().collect();
        f.debug_struct("Surroundings")
            .field("env", &names)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Runs it to its end; what it printed. In a process group of its own: an interrupt at the terminal does not reach it half
/// way. In the root directory: the runbook's tool takes a `config.yaml` that lies where it is started.
pub(super) async fn run(argv: &[String], surroundings: &ProcessEnv) -> Result<String, WriteError> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| Failure::internal("a command without a program"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(&surroundings.env)
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let failure = Failure::external(format!("the registry's tool {program} cannot be started"));
            WriteError::Rejected(
                failure
                    .caused_by(&error)
                    .next("install it, or name it by its path in registry.exec of the configuration"),
            )
        })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let whole = async { tokio::join!(child.wait(), read(stdout, MAX_STDOUT), read(stderr, MAX_STDERR)) };
    let Ok((status, stdout, stderr)) = tokio::time::timeout(surroundings.timeout, whole).await else {
        kill(&child);
        return Err(WriteError::Unknown(
            Failure::timeout(format!(
                "{program} did not end within {} s and was killed",
                surroundings.timeout.as_secs()
            ))
            .because("what it did until then is not known")
            .next(shown(argv))
            .next("or give it more time: registry.exec.timeout in the configuration"),
        ));
    };
    let status =
        status.map_err(|error| Failure::internal(format!("the end of {program} was not seen")).caused_by(&error))?;
    if !status.success() {
        return Err(explain(argv, status, &surroundings.scrub(&complaint(&stderr))));
    }
    if stdout.len() > MAX_STDOUT {
        let what = format!("{program} printed more than {MAX_STDOUT} bytes");
        return Err(WriteError::Unknown(Failure::invalid(what)));
    }
    String::from_utf8(stdout).map_err(|_| {
        let what = format!("{program} printed something other than text");
        WriteError::Unknown(Failure::invalid(what))
    })
}

fn kill(child: &Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        // It may just have ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// All of it up to a limit; what is beyond is read and forgotten, so that the tool does not block.
async fn read(pipe: Option<impl AsyncRead + Unpin>, limit: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else { return kept };
    let mut chunk = [0; 8192];
    while let Ok(number) = pipe.read(&mut chunk).await {
        if number == 0 {
            break;
        }
        if kept.len() <= limit {
            kept.extend_from_slice(&chunk[..number]);
        }
    }
    kept
}

fn explain(argv: &[String], status: ExitStatus, complaint: &str) -> WriteError {
    let program = argv.first().map(String::as_str).unwrap_or_default();
    let (kind, how) = match status.code() {
        // What exit codes mean is the contract of the runbook's admin-cli.
        Some(2) => (FailureKind::Refused, "refuses its arguments (exit code 2)".to_owned()),
        Some(3) => (
            FailureKind::Unreachable,
            "cannot reach the registry (exit code 3)".to_owned(),
        ),
        Some(code) => (FailureKind::External, format!("failed (exit code {code})")),
        None => (FailureKind::External, format!("failed ({status})")),
    };
    let failure = Failure::new(kind, format!("the registry's tool {program} {how}"));
    let failure = if complaint.is_empty() {
        failure
    } else {
        failure.because(complaint)
    };
    let failure = failure.next(shown(argv));
    match kind {
        FailureKind::Refused => WriteError::Rejected(failure),
        _ => WriteError::Unknown(failure),
    }
}

/// For people to type: arguments that a shell would split are quoted.
fn shown(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    let words = argv.iter().map(|word| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The last line that says something.
fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let last = text
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    last.trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_COMPLAINT)
        .collect()
}

impl ProcessEnv {
    /// The text without secrets: a variable's value becomes its name.
    fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let secrets = self.secret.iter().filter_map(|name| Some((name, self.env.get(name)?)));
        for (name, value) in secrets.filter(|(_, value)| !value.is_empty()) {
            text = text.replace(value, &format!("${name}"));
        }
        redaction::text(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(timeout: Duration) -> ProcessEnv {
        let path = std::env::var("PATH").unwrap_or_default();
        ProcessEnv {
            env: [("PATH".to_owned(), path), ("DSN".to_owned(), "hunter2".to_owned())].into(),
            secret: vec!["DSN".to_owned()],
            timeout,
        }
    }

    async fn sh(script: &str) -> Result<String, Failure> {
        let argv = ["sh", "-c", script].map(str::to_owned);
        Ok(run(&argv, &surroundings(Duration::from_secs(20))).await?)
    }

    #[tokio::test]
    async fn it_gets_what_is_listed_and_nothing_else() {
        assert_eq!(sh("echo $DSN; pwd").await.unwrap(), "hunter2\n/\n");
        let printed = sh("env").await.unwrap();
        assert!(!printed.contains("HOME=") && !printed.contains("CARGO"), "{printed}");
    }

    #[tokio::test]
    async fn exit_codes_say_what_went_wrong_and_secrets_stay_out() {
        let complain = "echo a >&2; echo \"no $DSN at postgres://u:canary@db/r\" >&2; echo >&2";
        for (code, kind) in [
            (1, FailureKind::External),
            (2, FailureKind::Refused),
            (3, FailureKind::Unreachable),
            (9, FailureKind::External),
        ] {
            let failure = sh(&format!("{complain}; exit {code}")).await.unwrap_err();
            assert_eq!(failure.kind, kind);
            let why = &failure.why[0];
            assert!(
                why.starts_with("no $DSN at postgres://u:<redacted:") && why.ends_with("@db/r"),
                "{failure:?}"
            );
        }
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_its_children() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = format!("sleep 600 & echo $! > {}; wait", file.path().display());
        let argv = ["sh", "-c", &script].map(str::to_owned);
        let failure = run(&argv, &surroundings(Duration::from_millis(500))).await.unwrap_err();
        assert!(matches!(&failure, WriteError::Unknown(failure) if failure.kind == FailureKind::Timeout));
        let child: i32 = std::fs::read_to_string(file.path()).unwrap().trim().parse().unwrap();
        let is_gone = || rustix::process::test_kill_process(Pid::from_raw(child).unwrap()).is_err();
        let waiting = async {
            while !is_gone() && !is_zombie(child) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
    }

    fn is_zombie(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_tool_that_is_not_there_is_told() {
        let argv = ["no-such-tool".to_owned()];
        let failure = run(&argv, &surroundings(Duration::from_secs(1))).await.unwrap_err();
        assert!(failure.to_string().contains("no-such-tool"), "{failure}");
    }

    #[tokio::test]
    async fn endless_output_is_not_kept() {
        let failure = sh("yes | head -c 3000000").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid);
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let argv = ["tool", "--model=a b", "it's", ""].map(str::to_owned);
        assert_eq!(shown(&argv), "tool '--model=a b' 'it'\\''s' ''");
    }
}
