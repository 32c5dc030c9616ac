//! The engine's world, built out of Helm, cluster, registry and plugins.
//!
//! Those crates do not know each other: each implements ports of the engine, and the files here hand them to one another.

pub(crate) mod connect;
pub(crate) mod helm;
pub(crate) mod plugins;
pub(crate) mod registry;
pub(crate) mod router;
