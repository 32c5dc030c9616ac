//! A router written to the runbook's contract, in front of the models of the test bed.

use std::process::Command;

use crate::databases::{Postgres, Redis};
use crate::names::Names;
use crate::paths;
use crate::process::Running;

/// The key that clients of the router use.
pub const API_KEY: &str = "test-0001-router-key";

/// A running router.
#[derive(Debug)]
pub struct Router {
    address: String,
    _running: Running,
    _names: Names,
}

impl Router {
    /// Starts one which reads this registry and this cache, and knows these names.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(postgres: &Postgres, redis: &Redis, environment: &str, names: Names) -> Self {
        Self::start_with(postgres, redis, environment, names, 120)
    }

    /// As [`Self::start`], with another time for which it keeps what it read, in seconds.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(postgres: &Postgres, redis: &Redis, environment: &str, names: Names, cache_seconds: u32) -> Self {
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
            .args(["--cache-ttl", &cache_seconds.to_string()])
            .arg("--resolve-file")
            .arg(names.file());
        let (running, address) = Running::announced(&mut command);
        Self {
            address,
            _running: running,
            _names: names,
        }
    }

    /// How to reach it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
