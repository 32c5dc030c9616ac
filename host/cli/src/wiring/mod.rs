//! The engine's world, built out of Helm, cluster, registry and plugins.
//!
//! Those crates do not know each other: where one needs another's world it states a small trait, and a file here maps
//! the two.

pub(crate) mod connect;
pub(crate) mod helm;
pub(crate) mod mirror;
pub(crate) mod newest;
pub(crate) mod plugins;
pub(crate) mod records;
pub(crate) mod registry;
pub(crate) mod router;
pub(crate) mod routes;
pub(crate) mod services;
