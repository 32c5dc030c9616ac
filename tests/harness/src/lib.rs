//! What the end-to-end tests, the demo and the benchmarks stand on: a real cluster, real Helm, real databases and the
//! shipped binary. Everything that is started here ends with the value that holds it, or with the process.
//!
//! Set-up that fails is a defect of the machine or of the harness, so it panics with what to do.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

pub mod api;
pub mod certificates;
pub mod client;
pub mod databases;
pub mod gateway;
pub mod helm;
pub mod http;
pub mod kubectl;
pub mod litellm;
pub mod names;
pub mod namespace;
pub mod paths;
pub mod process;
pub mod proxy;
pub mod rbac;
pub mod relay;
pub mod router;
pub mod rss;
pub mod terminal;
pub mod testbed;
pub mod tool;
pub mod vllm_router;
pub mod wait;
