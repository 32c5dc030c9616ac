//! Bad input of every kind ends in one clear error with a next step, and never in a panic.

// Clippy's configuration lets #[test] functions unwrap; the fixture is tests too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arguments;
mod cluster;
mod configuration;
mod fixture;
mod words;
