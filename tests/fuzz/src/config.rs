//! The configuration, with the module names that its files know each other by.

#[allow(dead_code)]
#[path = "../../../host/cli/src/config/file.rs"]
pub(crate) mod file;
