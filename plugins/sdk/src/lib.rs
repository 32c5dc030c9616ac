//! Write a check for `kubectl vllm-rollback`.
//!
//! A check is a WebAssembly component that looks at a model which was rolled back and says what it found. It runs in a
//! sandbox, reaches only what the operator granted, and never acts. This crate turns a type that implements [`Check`]
//! into such a component:
//!
//! ```
//! use vllm_rollback_plugin::prelude::*;
//!
//! parameters! {
//!     /// What the operator may set.
//!     pub struct Parameters {
//!         /// Version that the server has to report; empty accepts any.
//!         version: String = String::new(),
//!     }
//! }
//!
//! struct ServerVersion;
//!
//! impl Check for ServerVersion {
//!     type Parameters = Parameters;
//!
//!     fn manifest() -> Manifest {
//!         Manifest::new("server-version", env!("CARGO_PKG_VERSION"), "The server reports the version we expect")
//!             .per_pod(Phase::Direct)
//!             .needs(&[Capability::Pod])
//!     }
//!
//!     fn run(world: &impl World, _context: &Context, parameters: &Parameters) -> Finding {
//!         let answer = world.send(Request::get(Target::Pod, "/version")).map_err(|error| error.fails("GET /version"))?;
//!         let body = answer.text();
//!         let verdict = if answer.status == 200 && body.contains(&parameters.version) {
//!             Verdict::pass("the server reports the expected version")
//!         } else {
//!             Verdict::fail(format!("GET /version answered {}", answer.status))
//!         };
//!         Ok(verdict.evidence(body).measured(Measurement::new("latency", answer.total_ms, "ms")))
//!     }
//! }
//!
//! export_check!(ServerVersion);
//! ```
//!
//! `Cargo.toml` needs `crate-type = ["cdylib"]` and this crate; `cargo build --release --target wasm32-wasip2` gives the
//! component. [`Check::run`] sees the outside only through [`World`]; a test hands it a [`testing::FakeWorld`]
//! and runs as an ordinary program. What a check never calls is not in its binary, so its imports show what it can reach.

// The macros name this crate by its public name, here too.
extern crate self as vllm_rollback_plugin;

mod call_error;
mod check;
mod http;
mod manifest;
pub mod metrics;
pub mod openai;
mod parameters;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod text;
mod verdict;
mod world;

/// Output of `wit-bindgen` for `wit/plugin.wit`. Records without words are this crate's types; the rest is for [`export_check!`].
#[allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::panic
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "plugin",
        additional_derives: [PartialEq],
        export_macro_name: "export_component",
        pub_export_macro: true,
        default_bindings_module: "vllm_rollback_plugin::bindings",
    });
}

pub use bindings::vllm_rollback::plugin::cluster::{Container, Event, PodStatus};
pub use bindings::vllm_rollback::plugin::http::{Request, Response};
pub use bindings::vllm_rollback::plugin::metrics::Sample;
pub use bindings::vllm_rollback::plugin::registry::RegistryState;
pub use bindings::vllm_rollback::plugin::types as contract;
pub use bindings::vllm_rollback::plugin::types::{Context, Measurement, Pod};
pub use call_error::CallError;
pub use check::{Check, Finding, describe, validate};
pub use http::Target;
pub use manifest::{Manifest, Phase, Scope};
pub use parameters::{NoParameters, ParameterType, Parameters, property, read, schema};
pub use verdict::{Outcome, Verdict};
pub use world::{Capability, Host, Level, LogOf, World};

#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use serde_json;

/// Everything that a check usually names.
pub mod prelude {
    pub use crate::{
        CallError, Capability, Check, Context, Finding, Manifest, Measurement, NoParameters, Phase, Pod, Request,
        Response, Target, Verdict, World, export_check, parameters,
    };
}
