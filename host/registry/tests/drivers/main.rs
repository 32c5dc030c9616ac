//! Drivers against the real things that need no cluster.
#![allow(clippy::unwrap_used, reason = "what does not work here fails the test")]

mod columns;
mod exec;
mod postgres;
mod support;
mod tls;
