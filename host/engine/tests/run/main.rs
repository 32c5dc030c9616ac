//! Runs of the engine in a simulated world, and the documents that must say what the engine does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod aborting;
mod cases;
mod documents;
mod failures;
mod folding;
mod gitops;
mod holding;
mod invariants;
mod pending;
mod planning;
mod proof;
mod replaying;
mod resuming;
mod sim;
mod sparing;
mod step_back;
mod switching;
mod targets;
mod told;
mod unfinished;
mod unknowing;
mod validating;
mod values;
mod written;
