//! Building a [`Manifest`].

use crate::{Capability, Manifest, Phase, Scope};

/// Milliseconds for one run unless the check says otherwise.
const DEFAULT_TIMEOUT_MS: u32 = 10_000;

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
            extra: Vec::new(),
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

    /// What the check asks to be granted.
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
