//! What flags, environment and configuration file have in common, whoever owns the setting: variables, secrets, durations,
//! and how keys are read.

pub mod duration;
pub mod env;
pub mod keys;
pub mod secret;

pub use env::Env;
