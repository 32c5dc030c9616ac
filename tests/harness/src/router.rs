//! A router written to the runbook's contract, in front of the models of the test bed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::client::ModelClient;
use crate::databases::{Postgres, Redis};
use crate::paths;
use crate::process::Running;

/// The key that clients of the router use.
pub const API_KEY: &str = "test-0001-router-key";

/// How late the router may learn of a new pod address: less than cluster DNS would take.
const FOLLOW_PERIOD: Duration = Duration::from_millis(200);

/// A running router.
#[derive(Debug)]
pub struct Router {
    address: String,
    resolve: PathBuf,
    ended: Arc<AtomicBool>,
    _running: Running,
    _dir: tempfile::TempDir,
}

impl Router {
    /// Starts one which reads this registry and this cache.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(postgres: &Postgres, redis: &Redis, environment: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let resolve = dir.path().join("resolve");
        std::fs::write(&resolve, "").expect("a fresh directory is writable");
        let mut command = Command::new(paths::built("contract-router"));
        command
            .args([
                "--listen",
                "127.0.0.1:0",
                "--environment",
                environment,
                "--api-key",
                API_KEY,
            ])
            .args(["--postgres", &postgres.url(), "--redis", &redis.url()])
            .arg("--resolve-file")
            .arg(&resolve)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut running = Running::start(&mut command);
        let mut line = String::new();
        let stdout = running.child().stdout.take().expect("stdout is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the router announces itself");
        let announced: Value = serde_json::from_str(&line).expect("the router announces itself in JSON");
        let address = announced["listening"].as_str().expect("an address").to_owned();
        Self {
            address,
            resolve,
            ended: Arc::default(),
            _running: running,
            _dir: dir,
        }
    }

    /// How to reach it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does what cluster DNS and kube-proxy would, until the router ends: the registry's endpoint names lead to the
    /// Services' ready addresses of the moment.
    pub fn follow(&self, services: BTreeMap<String, ModelClient>) {
        let (resolve, ended) = (self.resolve.clone(), Arc::clone(&self.ended));
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let lines: Vec<String> = services
                    .iter()
                    .flat_map(|(name, client)| client.endpoints().into_iter().map(move |at| format!("{name}={at}\n")))
                    .collect();
                // Renamed into place, so that the router never reads half a file.
                let temporary = resolve.with_extension("new");
                if std::fs::write(&temporary, lines.concat())
                    .and_then(|()| std::fs::rename(&temporary, &resolve))
                    .is_err()
                {
                    return;
                }
                std::thread::sleep(FOLLOW_PERIOD);
            }
        });
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
