//! Child processes that end when their holder does.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::wait;

/// How long a child may take to end after SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// A running child. Dropping it sends SIGTERM, then SIGKILL.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Self { child }
    }

    /// Starts a server that announces itself on its first line, `{"listening": "127.0.0.1:41234"}`; with its address.
    ///
    /// # Panics
    /// When it does not.
    pub fn announced(command: &mut Command) -> (Self, String) {
        let mut running = Self::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut line = String::new();
        let stdout = running.child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the server announces itself");
        let announced: Value = serde_json::from_str(&line).expect("the server announces itself in JSON");
        let address = announced["listening"].as_str().expect("an address").to_owned();
        (running, address)
    }

    /// As [`Self::start`]; it ends with the calling thread too, however that ends.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_bound(command: &Command) -> Self {
        let mut bound = Command::new("setpriv");
        bound
            .args(["--pdeathsig", "TERM"])
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => bound.env(key, value),
                None => bound.env_remove(key),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            bound.current_dir(directory);
        }
        Self::start(bound.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// The child itself, to take its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // The child may be gone already, which is what the caller wants anyway.
            let _ = kill_process(pid, signal);
        }
    }

    /// Sends a signal to its whole process group, as a terminal does. It must have been started in a group of its own.
    pub fn signal_group(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }

    /// Waits for its end; none when the limit passes.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status.code().unwrap_or(-1));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.signal(Signal::TERM);
        if self.wait(GRACE).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runs a command to its end with a guard against hanging.
///
/// # Panics
/// When it cannot be started or does not end within `limit`.
pub fn run(command: &mut Command, limit: Duration) -> Output {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running::start(command);
    let stdout = drain(running.child().stdout.take());
    let stderr = drain(running.child().stderr.take());
    let status = wait::until(&format!("end of {command:?}"), limit, || {
        running.child().try_wait().ok().flatten()
    });
    Output {
        status,
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}
