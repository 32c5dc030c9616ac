//! Pods, as registries and routers name them.

use crate::http::host;

/// Value of the label on good pods that stay in traffic; of the gate's selector key, too, while they do.
pub const RETAINED_LABEL: &str = "checked";

/// Address of a release's pod, whatever its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodEndpoint {
    /// IP address.
    pub ip: String,
    /// Ready, and not about to end.
    pub ready: bool,
    /// Ready, and of the revision that the workloads work towards.
    pub serving: bool,
    /// Labelled [`RETAINED_LABEL`].
    pub retained: bool,
}

impl PodEndpoint {
    /// Whether a URL leads to this pod, whatever the port.
    pub fn is_at(&self, url: &str) -> bool {
        host(url) == Some(self.ip.as_str())
    }
}
