//! Runs of the engine in a simulated world, and the documents that must say what the engine does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cases;
mod documents;
mod failures;
mod holding;
mod invariants;
mod sim;
mod switching;
mod targets;
mod unfinished;
mod validating;
