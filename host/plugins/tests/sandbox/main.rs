//! Real components in the real sandbox, against a stand-in model server on loopback.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests too")]

mod broken;
mod builtins;
mod contract;
mod files;
mod grants;
mod hostile;
mod store;
mod world;
