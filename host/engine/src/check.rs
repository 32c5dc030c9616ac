//! Checks and their verdicts.

use serde::{Deserialize, Serialize};

use crate::workload::ServingPod;

/// When a check runs.
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

/// A check that a run will make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSpec {
    /// Name from its manifest.
    pub name: String,
    /// Version from its manifest.
    pub version: String,
    /// SHA-256 of the component, hex.
    pub digest: String,
    /// When it runs.
    pub phase: Phase,
    /// A verdict other than pass keeps the model out of traffic.
    pub required: bool,
    /// What it may reach, as words: `pod`, `cluster`, `host:https://…`.
    pub grants: Vec<String>,
    /// Why it will not run, when it will not (`no router is known`).
    pub skipped: Option<String>,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// In order.
    Pass,
    /// Not in order.
    Fail,
    /// It ran and could not tell.
    Inconclusive,
    /// It could not run: trap, deadline, budget, denied, malformed.
    Error,
}

/// A number a check measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What.
    pub name: String,
    /// How much.
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
    /// When it ran.
    pub phase: Phase,
    /// A verdict other than pass keeps the model out of traffic.
    pub required: bool,
    /// The pod it looked at, for checks that run once a pod.
    pub pod: Option<String>,
    /// What it found.
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

/// What the checks need to know of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckContext {
    /// The run's id.
    pub run_id: String,
    /// Release name.
    pub release: String,
    /// Its namespace.
    pub namespace: String,
    /// The Helm revision that should be serving now.
    pub revision: u32,
    /// The model name clients ask for, when known.
    pub model: Option<String>,
    /// Environment in the registry, when there is one.
    pub environment: Option<String>,
    /// The serving pods.
    pub pods: Vec<ServingPod>,
    /// They are judged by themselves: other pods of the release are of no concern.
    #[serde(default, rename = "are_some")]
    pub is_subset: bool,
    /// The word the registry's status should be now: `enabled` or `disabled` or the registry's own.
    pub expected_traffic: String,
}
