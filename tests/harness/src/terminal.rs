//! The shipped binary at a terminal of its own, as a person sits at it. The terminal is `script` of util-linux: what is
//! written to it is typed, so that Ctrl-C goes the kernel's own way.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use vllm_rollback_engine::report::RunReport;

use crate::process::Running;
use crate::tool::Tool;
use crate::wait;

/// The interrupt character.
const CTRL_C: &[u8] = b"\x03";

/// A command at its terminal; both end with this value.
#[derive(Debug)]
pub struct Terminal {
    running: Running,
    screen: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    stdout: PathBuf,
    _dir: tempfile::TempDir,
}

impl Terminal {
    /// Runs the tool there; stdout goes to a file, all else to the screen.
    ///
    /// # Panics
    /// When there is no `script`.
    pub fn run(tool: &Tool, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let stdout = dir.path().join("stdout");
        let mut wanted = tool.command();
        wanted.args(args);
        let words = std::iter::once(wanted.get_program()).chain(wanted.get_args());
        let line: Vec<String> = words.map(quoted).collect();
        let mut command = Command::new("script");
        command
            .args(["--quiet", "--return", "--flush", "--command"])
            .arg(format!("exec {} >{}", line.join(" "), quoted(stdout.as_os_str())))
            .arg("/dev/null");
        for (key, value) in wanted.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut running = Running::start(&mut command);
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = running.child().stdout.take().expect("stdout is piped");
        let seen = Arc::clone(&screen);
        let reader = Some(std::thread::spawn(move || copy(shown, &seen)));
        Self {
            running,
            screen,
            reader,
            stdout,
            _dir: dir,
        }
    }

    /// Waits until the screen shows these words.
    ///
    /// # Panics
    /// When it does not within a generous limit.
    pub fn until_shown(&self, words: &str) {
        wait::until(words, Duration::from_secs(60), || {
            self.screen().contains(words).then_some(())
        });
    }

    /// Everything that was on the screen.
    pub fn screen(&self) -> String {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Types it.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn type_in(&mut self, text: &[u8]) {
        let keys = self.running.child().stdin.as_mut().expect("stdin is piped");
        keys.write_all(text)
            .and_then(|()| keys.flush())
            .expect("the terminal is there");
    }

    /// Presses Ctrl-C.
    pub fn press_ctrl_c(&mut self) {
        self.type_in(CTRL_C);
    }

    /// Waits for the end, and for the last words on the screen; none when the limit passes.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        let code = self.running.wait(limit)?;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        Some(code)
    }

    /// The report that `-o json` printed.
    ///
    /// # Panics
    /// When there is none; shows the screen.
    pub fn report(&self) -> RunReport {
        let text = std::fs::read_to_string(&self.stdout).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("not a report ({e}):\n{text}\n{}", self.screen()))
    }
}

fn copy(mut from: impl Read, to: &Mutex<String>) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        to.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}

/// A word for the shell.
fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"))
}
