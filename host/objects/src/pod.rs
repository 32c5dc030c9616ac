//! Pods, as the API server reports them, and as registries and routers name them.

use crate::http::host;

/// Pod of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// One value for all pods of a revision.
    pub revision_hash: String,
    /// Of the revision that its controller works towards.
    pub of_target: bool,
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// The Ready condition.
    pub ready: bool,
    /// Has a deletion timestamp.
    pub terminating: bool,
    /// Containers.
    pub containers: Vec<Container>,
    /// Seconds since it was created.
    pub age_seconds: u64,
}

/// Container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Name.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Ready.
    pub ready: bool,
    /// Restarts so far.
    pub restarts: u32,
    /// `running`, `waiting` or `terminated`.
    pub state: String,
    /// `CrashLoopBackOff`, `OOMKilled`, … or empty.
    pub reason: String,
    /// Exit code of the current or, when it runs again, of the last termination.
    pub exit_code: Option<i32>,
}

/// Address of a pod that a request is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodAddress {
    /// Name.
    pub name: String,
    /// UID: a pod of the same name later is another pod. Empty where that does not matter.
    pub uid: String,
    /// Container port.
    pub port: u16,
}

/// Run of a container that a log is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogOf {
    /// The one that runs now.
    Current,
    /// The one before it.
    Previous,
}

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
    /// Says whether a URL leads to this pod, whatever the port.
    pub fn is_at(&self, url: &str) -> bool {
        host(url) == Some(self.ip.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_a_pod_by_its_address_whatever_the_port() {
        let pod = PodEndpoint {
            ip: "10.0.0.7".into(),
            ready: true,
            serving: true,
            retained: false,
        };
        assert!(pod.is_at("http://10.0.0.7:8000/v1") && pod.is_at("10.0.0.7"));
        assert!(!pod.is_at("http://10.0.0.70:8000"));
    }
}
