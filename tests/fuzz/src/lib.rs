//! What must hold for each parser, whatever bytes it gets.
//!
//! A target is one function from bytes to nothing that panics when a promise is broken. `tests/short` calls it with made-up but
//! well-formed inputs and with every kept file of `corpus/`; `fuzz/` calls the same function under libFuzzer.
//!
//! Some parsers live in crates that take minutes to build, since they bring a cluster's client or a compiler. Their files are
//! borrowed here by path instead, each with what little it names of its own crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod targets;

/// Borrowed from `host/cli`: the configuration, what it shares with the command line, and the journal.
mod args;
mod config;
#[allow(dead_code)]
#[path = "../../../host/cli/src/names.rs"]
mod names;
#[allow(dead_code)]
#[path = "../../../host/cli/src/journal/record.rs"]
mod record;

/// Borrowed from `host/plugins`: the look at a component before it is compiled, and the form of a check's requests.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../host/plugins/src/precheck.rs"]
mod precheck;
#[allow(dead_code)]
#[path = "../../../host/plugins/src/egress/request.rs"]
mod request;
#[allow(dead_code)]
#[path = "../../../host/plugins/src/untrusted.rs"]
mod untrusted;

/// Borrowed from `plugins/sdk`: what checks make of a server's answers.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../plugins/sdk/src/openai.rs"]
mod openai;
mod sdk;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../plugins/sdk/src/text.rs"]
mod text;

use sdk::{Request, Response, Target};
