//! The sandbox in which checks run: WebAssembly components that look at a release and say what they found.
//!
//! ```text
//! file or built-in → precheck → store ── miss → compile (child process) ┐
//!                                  └──────────────── hit ───────────────┴→ link → describe → grants
//!                                                                                             │
//! verdict ← sanitise ← fault or answer ← runtime (fresh store, deadline, limits) ← one run ───┘
//!                                           │ capabilities: log, clock, http, cluster, registry, metrics
//!                                           └→ egress policy → pods · router · granted hosts
//! ```
//!
//! A check judges and never acts. It reaches only what [`GrantTable`] or, for the built-in ones, the table in [`BUILTINS`]'
//! module names; it cannot hang, crash or read the host, and a check that traps, runs out of time or asks for what it may not
//! have ends as an error, never as a pass.

mod bearer;
mod budget;
mod builtin;
mod capability;
mod checks;
mod compile;
mod egress;
mod fault;
mod grants;
mod host;
mod instance;
mod limits;
mod load;
mod manifest;
mod output;
mod precheck;
mod runtime;
mod sandbox;
mod source;
mod store;
mod untrusted;
mod verdict;

pub use bearer::Bearer;
pub use builtin::BUILTINS;
pub use capability::Capability;
pub use checks::CheckRunner;
pub use compile::{CHILD_ARGUMENT, Compiler, run_compile_child};
pub use egress::Endpoint;
pub use grants::{GrantTable, Grants};
pub use host::{HostOptions, Inspection, Loading, PluginHost};
pub use instance::RouterEndpoint;
pub use limits::Limits;
pub use manifest::{Manifest, Scope};
pub use precheck::{CONTRACT, ComponentInterface};
pub use sandbox::WASMTIME;
pub use source::Enforcement;
