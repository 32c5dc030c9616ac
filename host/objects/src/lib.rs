//! The nouns that several crates share, said once. Pure: no Kubernetes client, no runtime, no I/O.
//!
//! Below the engine: everything may use this crate, and it uses nothing of ours.

pub mod comparison;
pub mod diff;
pub mod event;
pub mod fields;
pub mod hex;
pub mod http;
pub mod identity;
pub mod manifest;
pub mod orphaned;
pub mod pod;
pub mod quantity;
pub mod record;
pub mod redaction;
pub mod release;
pub mod route;
pub mod served_model;
pub mod service;
pub mod workload;
