//! A router written to the runbook's contract, in front of the models of the test bed.

use std::process::Command;

use crate::databases::{Postgres, Redis};
use crate::names::Names;
use crate::paths;
use crate::process::Running;

/// The key that clients of the router use.
pub const API_KEY: &str = "test-0001-router-key";

/// How long a router keeps what it read, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Keeps {
    /// In the cache that all share.
    pub cached: u32,
    /// In its own memory.
    pub remembered: u32,
}

impl Keeps {
    /// As the runbook's routers.
    pub const RUNBOOK: Self = Self {
        cached: 120,
        remembered: 0,
    };
}

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
        Self::start_with(postgres, redis, environment, names, Keeps::RUNBOOK)
    }

    /// As [`Self::start`], with other times for which it keeps what it read.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(postgres: &Postgres, redis: &Redis, environment: &str, names: Names, keeps: Keeps) -> Self {
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
            .args(["--cache-ttl", &keeps.cached.to_string()])
            .args(["--memory-ttl", &keeps.remembered.to_string()])
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
