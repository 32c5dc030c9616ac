//! The nouns that several crates share, said once. Pure: no Kubernetes client, no runtime, no I/O.
//!
//! Below the engine: everything may use this crate, and it uses nothing of ours.

pub mod event;
pub mod http;
pub mod pod;
pub mod record;
pub mod release;
pub mod route;
pub mod service;
