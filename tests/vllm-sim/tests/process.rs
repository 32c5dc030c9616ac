//! The program itself: how it starts, crashes and stops.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use support::call;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};

const STREAM: &str = r#"{"prompt": "Hi", "max_tokens": 20, "stream": true}"#;
const PATIENCE: Duration = Duration::from_secs(20);

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: Vec<String>,
}

impl Process {
    fn start(line: &str, environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vllm-sim"))
            .args(line.split_whitespace())
            .args(["--port", "0", "--model", "/models/tiny"])
            .env("POD_BIND_IP", "127.0.0.1")
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            log: Vec::new(),
        }
    }

    /// Reads the log up to a line that contains `part`.
    async fn line(&mut self, part: &str) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap();
            let line = line.unwrap_or_else(|| panic!("ended without a line {part:?}: {:#?}", self.log));
            self.log.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    async fn address(&mut self) -> SocketAddr {
        let line = self.line("Starting vLLM server on").await;
        self.line("Application startup complete.").await;
        line.rsplit("http://").next().unwrap().parse().unwrap()
    }

    /// Waits for the end; gives the exit code, after the rest of the log was read.
    async fn end(&mut self) -> Option<i32> {
        while let Some(line) = timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap() {
            self.log.push(line);
        }
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code()
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }
}

#[tokio::test]
async fn it_serves_within_a_second() {
    let start = Instant::now();
    let mut sim = Process::start("", &[]);
    let address = sim.address().await;
    let took = start.elapsed();
    assert_eq!(call(address, "GET", "/health", &[], "").await.status, 200);
    assert!(took < Duration::from_secs(1), "took {took:?}");
}

#[tokio::test]
async fn a_crash_at_start_has_its_exit_code_and_names_the_model_path_last() {
    let mut sim = Process::start("", &[("SIM_CRASH_AT_START", "1")]);
    assert_eq!(sim.end().await, Some(1));
    let last = sim.log.last().unwrap();
    assert!(
        last.contains("HFValidationError") && last.contains("/models/tiny"),
        "{last}"
    );
}

#[tokio::test]
async fn an_oom_kill_leaves_a_marker_and_no_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("oom");
    let mut sim = Process::start(
        "",
        &[("SIM_OOM", "1"), ("TESTBED_OOM_MARKER", marker.to_str().unwrap())],
    );
    assert_eq!(sim.end().await, Some(137));
    assert!(marker.exists());
    assert!(
        sim.log
            .last()
            .unwrap()
            .contains("Loading safetensors checkpoint shards:  50% Completed")
    );
}

#[tokio::test]
async fn a_slow_load_shows_its_progress_and_keeps_the_port_closed() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut sim = Process::start(&format!("--port {}", port.port()), &[("SIM_LOAD_FOREVER", "1")]);
    sim.line("Loading safetensors checkpoint shards:  50%").await;
    assert!(TcpStream::connect(port).await.is_err());
    sim.terminate();
    assert_eq!(sim.end().await, Some(143));
}

#[tokio::test]
async fn an_unknown_fault_does_not_start() {
    let mut sim = Process::start("", &[("SIM_HNAG", "1")]);
    assert_eq!(sim.end().await, Some(2));
    assert!(
        sim.log[0].contains("SIM_HNAG=1: there is no such fault"),
        "{:?}",
        sim.log
    );
}

#[tokio::test]
async fn the_check_of_the_hook_job_exits_with_0() {
    let mut sim = Process::start("--check-only", &[("SIM_LOAD_FOREVER", "1")]);
    assert_eq!(sim.end().await, Some(0));
}

#[tokio::test]
async fn a_dead_engine_says_503_and_then_the_process_exits_with_0() {
    let mut sim = Process::start("", &[("SIM_ENGINE_DEAD_AFTER_SECONDS", "0")]);
    let address = sim.address().await;
    sim.line("EngineDeadError").await;
    assert_eq!(call(address, "GET", "/health", &[], "").await.status, 503);
    assert_eq!(
        call(address, "POST", "/v1/completions", &[], r#"{"prompt": "Hi"}"#)
            .await
            .status,
        500
    );
    assert_eq!(sim.end().await, Some(0));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_crash_after_a_while_has_its_exit_code() {
    let environment = [("SIM_CRASH_AFTER_SECONDS", "0.05"), ("SIM_CRASH_CODE", "139")];
    let mut sim = Process::start("", &environment);
    sim.address().await;
    assert_eq!(sim.end().await, Some(139));
}

#[tokio::test]
async fn sigterm_stops_an_open_stream_without_error_and_without_done() {
    let mut sim = Process::start("", &[("SIM_TOKEN_MS", "100")]);
    let address = sim.address().await;
    let open = tokio::spawn(async move { call(address, "POST", "/v1/completions", &[], STREAM).await });
    sim.line("POST /v1/completions").await;
    sim.terminate();
    let answer = timeout(PATIENCE, open).await.unwrap().unwrap();
    assert_eq!((answer.status, answer.broken), (200, false));
    assert!(!answer.text.contains("[DONE]"), "{}", answer.text);
    assert_eq!(sim.end().await, Some(0));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn sigterm_with_a_shutdown_timeout_lets_streams_finish_and_refuses_new_completions() {
    let mut sim = Process::start("--shutdown-timeout 30", &[("SIM_TOKEN_MS", "50")]);
    let address = sim.address().await;
    let open = tokio::spawn(async move { call(address, "POST", "/v1/completions", &[], STREAM).await });
    sim.line("POST /v1/completions").await;
    sim.terminate();
    sim.line("Shutting down").await;
    assert_eq!(call(address, "GET", "/health", &[], "").await.status, 200);
    assert_eq!(
        call(address, "POST", "/v1/completions", &[], r#"{"prompt": "Hi"}"#)
            .await
            .status,
        500
    );
    let answer = timeout(PATIENCE, open).await.unwrap().unwrap();
    assert_eq!(answer.events().last().unwrap(), "[DONE]");
    assert_eq!(sim.end().await, Some(0));
}

#[tokio::test]
async fn sigterm_can_be_ignored() {
    let mut sim = Process::start("", &[("SIM_IGNORE_SIGTERM", "1")]);
    let address = sim.address().await;
    sim.terminate();
    let ended = timeout(Duration::from_millis(500), sim.child.wait()).await;
    assert!(ended.is_err(), "it ended: {ended:?}");
    assert_eq!(call(address, "GET", "/health", &[], "").await.status, 200);
}
