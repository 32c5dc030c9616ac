//! Events of the cluster.

/// Event about one of a release's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `Pod/llama-…`.
    pub object: String,
    /// `Unhealthy`, `BackOff`, ….
    pub reason: String,
    /// Text.
    pub message: String,
    /// Number of times it was seen.
    pub count: u32,
    /// Of type Warning.
    pub warning: bool,
}
