//! Checks and their verdicts.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::workload::ServingPod;

/// Moment of a run at which a check runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// At the pods, while the model is out of traffic.
    Direct,
    /// Through the router, after the model was let back.
    Routed,
    /// Beside live traffic, during a soak.
    Observe,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A check that a run will make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSpec {
    /// Name from its manifest.
    pub name: String,
    /// Version from its manifest.
    pub version: String,
    /// SHA-256 of the component, hex.
    pub digest: String,
    /// Moment at which the check runs.
    pub phase: Phase,
    /// A verdict other than pass keeps the model out of traffic.
    pub required: bool,
    /// Targets that the check may reach: `pod`, `cluster`, `host:https://…`.
    pub grants: Vec<String>,
    /// Reason why the check will be skipped (`no router is known`); none when it will run.
    pub skipped: Option<String>,
}

/// Result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// In order.
    Pass,
    /// Not in order.
    Fail,
    /// The check ran and reached no conclusion.
    Inconclusive,
    /// The check could not run: trap, deadline, budget, denied, malformed.
    Error,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A number a check measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Name of what was measured.
    pub name: String,
    /// Amount, in `unit`.
    pub value: f64,
    /// Unit: `ms`, `s`, `1`, `By`, `tokens`.
    pub unit: String,
    /// The bound it was held against, in the same unit.
    pub limit: Option<f64>,
}

/// One run of one check, on one pod or on the release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The check's name.
    pub check: String,
    /// Phase in which the check ran.
    pub phase: Phase,
    /// A verdict other than pass keeps the model out of traffic.
    pub required: bool,
    /// The pod it looked at, for checks that run once a pod.
    pub pod: Option<String>,
    /// Result of the check.
    pub outcome: Outcome,
    /// One line, cleaned of control characters.
    pub summary: String,
    /// Numbers.
    pub measurements: Vec<Measurement>,
    /// Excerpts of what was seen.
    pub evidence: Vec<String>,
    /// The check's log lines, bounded.
    pub log: Vec<String>,
    /// Wall time of the run, seconds.
    pub seconds: f64,
}

/// Facts of the run that are handed to the checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckContext {
    /// The run's id.
    pub run_id: String,
    /// Release name.
    pub release: String,
    /// Namespace of the release.
    pub namespace: String,
    /// The Helm revision that should be serving now.
    pub revision: u32,
    /// The model name clients ask for, when known.
    pub model: Option<String>,
    /// Environment in the registry, when there is one.
    pub environment: Option<String>,
    /// The serving pods.
    pub pods: Vec<ServingPod>,
    /// `true` when the pods are only some of the release's: the others are then of no concern.
    #[serde(default, rename = "are_some")]
    pub is_subset: bool,
    /// The word the registry's status should be now: `enabled` or `disabled` or the registry's own.
    pub expected_traffic: String,
}
