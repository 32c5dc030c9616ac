#![doc = include_str!("../README.md")]

mod args;
mod error;
mod forward;
mod registry;
mod resolve;
mod server;

pub use args::Args;
pub use server::serve;
