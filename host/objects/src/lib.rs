//! The nouns that several crates share, said once. Pure: no Kubernetes client, no runtime, no I/O.
//!
//! Below the engine: everything may use this crate, and it uses nothing of ours.

pub mod comparison;
pub mod fields;
pub mod http;
pub mod identity;
pub mod manifest;
pub mod quantity;
pub mod redaction;
pub mod release;
pub mod served_model;
pub mod workload;
