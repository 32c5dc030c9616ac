//! The flags that share their words with the configuration.

#[allow(dead_code)]
#[path = "../../../host/cli/src/args/traffic.rs"]
pub(crate) mod traffic;
