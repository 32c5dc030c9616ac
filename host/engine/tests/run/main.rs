//! Runs of the engine in a simulated world, and the documents that must say what the engine does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod aborting;
mod cases;
mod current_record;
mod documents;
mod failures;
mod folding;
mod gitops;
mod holding;
mod invariants;
mod journal_records;
mod pending;
mod planning;
mod proof;
mod replaying;
mod reporting;
mod resuming;
mod retained_pods;
mod sim;
mod step_back;
mod switching;
mod targets;
mod unfinished;
mod unknown_outcomes;
mod validating;
mod values;
