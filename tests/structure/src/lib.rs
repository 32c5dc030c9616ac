//! Rules that the source itself must hold, each read from the source and each able to fail:
//!
//! - [`circles`]: no file of a crate names a file that leads back to it.
//! - [`docs`]: how doc comments begin.
//! - [`layers`]: which crate may depend on which, and who may name kube's and wasmtime's types.
//! - [`size`]: how long a file may be.
//!
//! `tests/structure.rs` applies them to this repository. To see the circles of one crate, of this tree or another:
//!
//! ```text
//! cargo run --release -p vllm-rollback-structure --example circles -- host/engine
//! ```

pub mod circles;
pub mod docs;
pub mod layers;
pub mod modules;
pub mod names;
pub mod promises;
pub mod size;

/// Place where reading the source failed, and why: the file or command.
pub type Error = String;
