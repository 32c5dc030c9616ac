//! `vllm-rollback.yaml`, and how it merges with the command line.

#[cfg(test)]
mod documented;
pub(crate) mod file;
pub(crate) mod find;
pub(crate) mod router;
pub(crate) mod settings;
