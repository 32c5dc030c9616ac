//! The short runs: every kept input, and made-up ones that have the right form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bounds;
mod corpus;
mod generated;
