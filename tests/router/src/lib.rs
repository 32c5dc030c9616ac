#![doc = include_str!("../README.md")]

mod args;
mod error;
mod forward;
mod net;
mod registry;
mod resolve;
mod server;

pub use args::Args;
pub use net::serve_names;
pub use server::serve;
