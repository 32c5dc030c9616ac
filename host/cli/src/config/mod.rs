//! `vllm-rollback.yaml`, and how it merges with the command line.

pub(crate) mod file;
pub(crate) mod find;
mod postgres_columns;
pub(crate) mod registry;
pub(crate) mod router;
pub(crate) mod settings;
