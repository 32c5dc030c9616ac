//! Helm, seen from outside: its release records, what a rollback would change, and the helm binary as a child process.
//!
//! - [`record`] decodes a record's payload, [`history`] reads revisions from labels alone.
//! - [`manifest`] splits a record's manifest, [`diff`] compares current, target and live objects with Secrets redacted.
//! - [`child`] finds the binary, learns what it offers, runs `helm rollback`, and reads meaning from its stderr.
//! - [`releases::HelmReleases`] puts them together behind the engine's port.

pub mod child;
pub mod diff;
pub mod history;
pub mod manifest;
pub mod record;
pub mod redact;
pub mod releases;

pub use child::{Connection, HelmBinary};
pub use releases::HelmReleases;
