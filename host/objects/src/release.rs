//! Which release, and which of its revisions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A release in its namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReleaseRef {
    /// Namespace of the release's records and objects.
    pub namespace: String,
    /// Helm's release name.
    pub name: String,
}

impl fmt::Display for ReleaseRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl ReleaseRef {
    /// A command on this release: `kubectl vllm-rollback history llama -n prod`.
    ///
    /// ```
    /// use vllm_rollback_objects::release::ReleaseRef;
    ///
    /// let release = ReleaseRef { namespace: "prod".into(), name: "llama".into() };
    /// assert_eq!(release.command("plan", "3"), "kubectl vllm-rollback plan llama 3 -n prod");
    /// assert_eq!(release.command("", ""), "kubectl vllm-rollback llama -n prod");
    /// ```
    pub fn command(&self, verb: &str, rest: &str) -> String {
        let words = ["kubectl vllm-rollback", verb, &self.name, rest, "-n", &self.namespace];
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        words.join(" ")
    }

    /// Says what a command on this release is for: `finish it: kubectl vllm-rollback resume llama -n prod`.
    pub fn hint(&self, what: &str, verb: &str) -> String {
        format!("{what}: {}", self.command(verb, ""))
    }
}

/// A Helm revision; 1 is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u32);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_and_its_revision_are_shown_as_operators_type_them() {
        let release = ReleaseRef {
            namespace: "prod".into(),
            name: "llama".into(),
        };
        assert_eq!(format!("{release} {}", Revision(3)), "prod/llama 3");
        assert_eq!(
            release.command("plan", "3"),
            "kubectl vllm-rollback plan llama 3 -n prod"
        );
        assert_eq!(release.command("", ""), "kubectl vllm-rollback llama -n prod");
    }
}
