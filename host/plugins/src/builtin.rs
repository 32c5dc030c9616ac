//! The checks that come with the tool, embedded as components.
//!
//! They run in the same sandbox as anybody's. What they are granted stands here, so that a change of it is a change of the
//! tool and not of the component's own manifest; a test holds the two against each other.

use crate::capability::Capability;

/// A component inside the binary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Embedded {
    pub(crate) name: &'static str,
    pub(crate) wasm: &'static [u8],
    /// SHA-256, hex, taken when the tool was built.
    pub(crate) digest: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Names of the built-in checks, in the order in which they are best read.
pub const BUILTINS: [&str; 5] = [
    "pod-health",
    "endpoint-health",
    "completion",
    "registry-status",
    "router-e2e",
];

/// Grants of a built-in check.
pub(crate) fn grants(name: &str) -> &'static [Capability] {
    match name {
        "pod-health" => &[Capability::Cluster],
        "endpoint-health" => &[Capability::Pod],
        "completion" => &[Capability::Pod, Capability::Metrics],
        "registry-status" => &[Capability::Registry],
        "router-e2e" => &[Capability::Router, Capability::Metrics],
        _ => &[],
    }
}

/// The component of a built-in check.
pub(crate) fn find(name: &str) -> Option<Embedded> {
    EMBEDDED.iter().find(|one| one.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_check_is_embedded_as_the_file_that_was_hashed() {
        for name in BUILTINS {
            let embedded = find(name).unwrap();
            assert_eq!(embedded.digest, crate::store::digest(embedded.wasm), "{name}");
            assert!(!grants(name).is_empty());
        }
        assert_eq!(EMBEDDED.len(), BUILTINS.len());
    }
}
