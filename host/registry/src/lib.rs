//! Registry drivers: how a model is taken out of traffic and put back as it was. One folder per driver, the same shape
//! in each: `mod.rs` implements the engine's port, the other files are what it rests on.
//!
//! - [`service`]: the default, needs nothing but the cluster. The release's Services select no pod until released.
//! - [`postgres`]: the runbook's table, with an optional Redis cache and an optional proof at the router.
//! - [`none`]: traffic is left alone, and that is said loudly.

pub mod none;
pub mod postgres;
pub mod service;
mod token;

pub use none::Unmanaged;
pub use postgres::PostgresRegistry;
pub use service::ServiceGate;
