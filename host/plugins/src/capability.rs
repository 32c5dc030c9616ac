//! The words for what a check can reach.

use std::fmt;

/// Something that a check can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// HTTP to the pod under check.
    Pod,
    /// HTTP to the configured router.
    Router,
    /// The release's pods, events and logs.
    Cluster,
    /// The model's state in the traffic registry.
    Registry,
    /// Samples of a pod's `/metrics`.
    Metrics,
    /// HTTP to another host, which the grant names.
    Host,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Pod,
        Self::Router,
        Self::Cluster,
        Self::Registry,
        Self::Metrics,
        Self::Host,
    ];

    /// The word in manifests and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Router => "router",
            Self::Cluster => "cluster",
            Self::Registry => "registry",
            Self::Metrics => "metrics",
            Self::Host => "host",
        }
    }

    /// What to write after `--grant NAME=`.
    pub(crate) fn grant_form(self) -> &'static str {
        match self {
            Self::Host => "host:NAME=URL",
            other => other.word(),
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
