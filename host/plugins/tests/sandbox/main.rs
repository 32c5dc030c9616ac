//! Real components in the real sandbox, against a stand-in model server on loopback.

mod builtins;
mod files;
mod grants;
mod hostile;
mod store;
mod world;
