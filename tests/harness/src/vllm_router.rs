//! Real vllm-router, from PyPI.

use std::process::Command;
use std::time::Duration;

use crate::databases::free_port;
use crate::http;
use crate::names::NameProxy;
use crate::paths;
use crate::process::Running;
use crate::testbed::HANG;
use crate::wait;

/// A running replica.
#[derive(Debug)]
pub struct VllmRouter {
    port: u16,
    _running: Running,
}

impl VllmRouter {
    /// Starts one with these workers, which it finds through the proxy; waits until it answers. None when it is not
    /// installed: see [`paths::router`].
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(workers: &[String], names: &NameProxy) -> Option<Self> {
        let program = paths::router("vllm-router")?;
        let port = free_port();
        let mut command = Command::new(program);
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--prometheus-port", &free_port().to_string()])
            .args(["--policy", "round_robin", "--health-check-interval-secs", "1"])
            .arg("--worker-urls")
            .args(workers)
            .env("http_proxy", names.url());
        let router = Self {
            port,
            _running: Running::start_bound(&command),
        };
        wait::until("vllm-router that answers", HANG, || {
            http::get(&format!("{}/list_workers", router.url()), Duration::from_secs(5)).ok()
        });
        Some(router)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to reach it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its worker list.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn workers(&self) -> Vec<String> {
        let (_, body) = http::get(&format!("{}/list_workers", self.url()), Duration::from_secs(5)).expect("a list");
        let parsed: serde_json::Value = serde_json::from_str(&body).expect("a list in JSON");
        serde_json::from_value(parsed["urls"].clone()).expect("URLs")
    }
}
