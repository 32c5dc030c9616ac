//! Building a [`Manifest`].

use crate::{Capability, contract};

/// Milliseconds for one run unless the check says otherwise.
const DEFAULT_TIMEOUT_MS: u32 = 10_000;

/// Moment of a rollback at which a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// While the model is out of traffic, straight at the pods.
    Direct,
    /// After the model was let back into traffic, through the router.
    Routed,
    /// During a soak, beside live traffic.
    Observe,
}

impl Phase {
    /// The word in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Routed => "routed",
            Self::Observe => "observe",
        }
    }
}

/// Unit that a check runs once for, in its phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Once for each serving pod, side by side; `context.pod` is set.
    PerPod,
    /// Once for the release; `context.pod` is none.
    PerRelease,
}

impl Scope {
    /// The word in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PerPod => "per-pod",
            Self::PerRelease => "per-release",
        }
    }
}

/// Description of a check by itself. It asks; the operator's grant decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Kebab-case, at most 63 characters: `completion`.
    pub name: String,
    /// Semantic version of the check.
    pub version: String,
    /// One line for people.
    pub description: String,
    /// Moment at which the check runs.
    pub phase: Phase,
    /// Unit that the check runs once for, in its phase.
    pub scope: Scope,
    /// Capabilities that it asks for.
    pub needs: Vec<Capability>,
    /// JSON Schema (2020-12) of its parameters, or `{}`.
    pub parameters_schema: String,
    /// Milliseconds for one run when the operator sets nothing.
    pub default_timeout_ms: u32,
}

/// In the contract's words. A tool that is older than a capability is told which version knows it.
impl From<Manifest> for contract::Manifest {
    fn from(manifest: Manifest) -> Self {
        let tool_version = manifest.needs.iter().map(|need| need.since()).max();
        let tool_version =
            tool_version.map(|[major, minor, patch]| ("tool-version".to_owned(), format!("{major}.{minor}.{patch}")));
        Self {
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
            phase: manifest.phase.as_str().to_owned(),
            scope: manifest.scope.as_str().to_owned(),
            needs: manifest.needs.iter().map(|need| need.as_str().to_owned()).collect(),
            parameters_schema: manifest.parameters_schema,
            default_timeout_ms: manifest.default_timeout_ms,
            extra: tool_version.into_iter().collect(),
        }
    }
}

impl Manifest {
    /// A check that runs once per release in phase `direct`, needs nothing and has 10 seconds.
    ///
    /// `name` is kebab-case, `description` one line for people.
    pub fn new(name: &str, version: &str, description: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            description: description.to_owned(),
            phase: Phase::Direct,
            scope: Scope::PerRelease,
            needs: Vec::new(),
            parameters_schema: "{}".to_owned(),
            default_timeout_ms: DEFAULT_TIMEOUT_MS,
        }
    }

    /// Runs once for each serving pod in this phase; `context.pod` is set.
    #[must_use]
    pub fn per_pod(self, phase: Phase) -> Self {
        Self {
            phase,
            scope: Scope::PerPod,
            ..self
        }
    }

    /// Runs once in this phase.
    #[must_use]
    pub fn per_release(self, phase: Phase) -> Self {
        Self {
            phase,
            scope: Scope::PerRelease,
            ..self
        }
    }

    /// Sets the capabilities that the check asks to be granted.
    #[must_use]
    pub fn needs(self, capabilities: &[Capability]) -> Self {
        Self {
            needs: capabilities.to_vec(),
            ..self
        }
    }

    /// Milliseconds for one run when the operator sets nothing.
    #[must_use]
    pub fn default_timeout_ms(self, milliseconds: u32) -> Self {
        Self {
            default_timeout_ms: milliseconds,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_goes_out_in_the_contracts_words() {
        let manifest = Manifest::new("probe", "1.0.0", "Asks")
            .per_pod(Phase::Routed)
            .needs(&[Capability::Pod, Capability::Metrics]);
        let said = contract::Manifest::from(manifest);
        assert_eq!((said.phase.as_str(), said.scope.as_str()), ("routed", "per-pod"));
        assert_eq!(said.needs, ["pod", "metrics"]);
        assert_eq!(said.extra, [("tool-version".to_owned(), "0.1.0".to_owned())]);
    }
}
