//! What a run will do, before it does anything.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
pub use vllm_rollback_objects::diff::{ObjectChange, ObjectDiff};
use vllm_rollback_objects::hex::hex;

use crate::check::CheckSpec;
use crate::release::{ApplyMethod, HelmInfo, ReleaseRef, Revision, RevisionSummary};
use crate::resume::Resumption;
use crate::traffic::TrafficState;
use crate::workload::{Preflight, ServingPod};

/// A revision that was passed over, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Number of the revision.
    pub revision: Revision,
    /// `failed: Upgrade "x" failed: …`, `revision 5 rolled back from it`, `same manifest as the current one`.
    pub reason: String,
}

/// Helm goes back to an older revision before it goes to the target.
///
/// Helm removes only what the newest record declares, whatever its status (helm#13346). When that record's operation was
/// cut off or failed, other fields may be live: those of the last revision that was applied to its end. Going back to that
/// one makes it the newest record, so that the rollback after it removes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepBack {
    /// The last revision that was applied to its end.
    pub to: Revision,
    /// Live fields that only this revision declares, as `Deployment/llama: spec.template.…env[X]`.
    pub fields: Vec<String>,
}

/// All that a run will do. Read-only to make; its digest changes when anything it rests on changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The release.
    pub release: ReleaseRef,
    /// Newest revision, in any status.
    pub current: RevisionSummary,
    /// Revision that the run goes to.
    pub target: Revision,
    /// Chart of the target, `name-version`.
    pub target_chart: String,
    /// SHA-256 of the target's manifest, hex.
    pub target_manifest_sha256: String,
    /// Way in which the target's objects were written.
    pub target_apply_method: ApplyMethod,
    /// Newer revisions that were passed over.
    pub skipped: Vec<Skipped>,
    /// Changes to objects.
    pub diff: Vec<ObjectDiff>,
    /// Hooks of the target that the rollback will run, as `pre-rollback Job/x`.
    pub hooks: Vec<String>,
    /// Findings and facts from the cluster.
    pub preflight: Preflight,
    /// The helm binary.
    pub helm: HelmInfo,
    /// The rollback is written client-side, because a closed gate owns a field.
    pub client_side: bool,
    /// Revision that Helm goes to first, so that the rollback leaves nothing of a third revision behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_back: Option<StepBack>,
    /// State of traffic that the run restores in the end: as the registry has it, or as an earlier run found it and
    /// still holds it.
    pub traffic: TrafficState,
    /// Pods that go on serving through the run, once they passed the direct checks; empty when the whole model is taken out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spares: Vec<ServingPod>,
    /// The earlier run whose rollback this run goes on with; Helm is not run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// The run that this one finishes, and what becomes of each of its steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<Resumption>,
    /// The checks that will run.
    pub checks: Vec<CheckSpec>,
    /// SHA-256 over all of the above that the run rests on, hex.
    pub digest: String,
}

/// SHA-256, hex, over what the run rests on: the revisions, the target's manifest, the traffic to restore, helm and the
/// checks. Findings, evidence lines and the diff with the live objects are left out: they change by themselves.
pub fn digest(plan: &Plan) -> String {
    let checks: Vec<_> = plan
        .checks
        .iter()
        .map(|c| (&c.name, &c.digest, c.required, &c.grants, c.skipped.is_some()))
        .collect();
    let traffic = (&plan.traffic.driver, &plan.traffic.status, &plan.traffic.endpoint);
    let basis = serde_json::json!([
        plan.release,
        plan.current.revision,
        plan.current.status,
        plan.target,
        plan.target_manifest_sha256,
        plan.client_side,
        plan.step_back.as_ref().map(|back| back.to),
        plan.hooks,
        plan.helm,
        traffic,
        plan.continues,
        checks,
        plan.spares.is_empty(),
    ]);
    hex(&Sha256::digest(basis.to_string()))
}
