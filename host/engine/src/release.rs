//! Helm releases and their revisions, as the run sees them.

use std::fmt;

use serde::de::IntoDeserializer;
use serde::de::value::{self, StrDeserializer};
use serde::{Deserialize, Serialize};

use vllm_rollback_objects::manifest::Manifest;
pub use vllm_rollback_objects::release::{ReleaseRef, Revision};
use vllm_rollback_objects::served_model::served_model;

use crate::failure::Failure;

/// Status of a revision (helm v4.3 `pkg/release/common/status.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStatus {
    /// Last revision that Helm applied with success.
    Deployed,
    /// Revision that was deployed once, or that a later operation replaced.
    Superseded,
    /// Applying it failed.
    Failed,
    /// An install is under way or was interrupted.
    PendingInstall,
    /// An upgrade is under way or was interrupted.
    PendingUpgrade,
    /// A rollback is under way or was interrupted.
    PendingRollback,
    /// An uninstall is under way.
    Uninstalling,
    /// Uninstalled with its history kept.
    Uninstalled,
    /// A word this tool does not know.
    #[serde(other)]
    Unknown,
}

impl ReleaseStatus {
    /// Reads Helm's word.
    pub fn parse(word: &str) -> Self {
        let word: StrDeserializer<'_, value::Error> = word.into_deserializer();
        Self::deserialize(word).unwrap_or(Self::Unknown)
    }

    /// An operation is under way, or died and left this word behind.
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback
        )
    }
}

/// Helm's word for it.
impl fmt::Display for ReleaseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One line of the history, read from a record's labels alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionSummary {
    /// Number of the revision.
    pub revision: Revision,
    /// Status of the revision.
    pub status: ReleaseStatus,
    /// Name of the object that holds the record.
    pub record: String,
}

/// Way in which Helm wrote a revision's objects (`apply_method`; absent means client-side).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplyMethod {
    /// Three-way merge on the client: Helm 3, and Helm 4 with `--server-side=false`.
    ClientSide,
    /// Server-side apply with field manager `helm`.
    ServerSide,
}

/// A chart hook of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Name of the hook's object.
    pub name: String,
    /// Kind of the hook's object.
    pub kind: String,
    /// Helm's words: `pre-rollback`, `post-rollback`, `pre-upgrade`, …
    pub events: Vec<String>,
    /// Helm began it and did not write down that it succeeded: it failed, or Helm was cut off meanwhile.
    #[serde(default)]
    pub began_only: bool,
}

impl Hook {
    /// `pre-rollback hook Job/x`, when Helm runs it in a rollback.
    ///
    /// ```
    /// # use vllm_rollback_engine::release::Hook;
    /// let hook = |event: &str| Hook { name: "x".into(), kind: "Job".into(), events: vec![event.into()], began_only: true };
    /// assert_eq!(hook("pre-rollback").in_rollback().as_deref(), Some("pre-rollback hook Job/x"));
    /// assert_eq!(hook("pre-upgrade").in_rollback(), None);
    /// ```
    pub fn in_rollback(&self) -> Option<String> {
        let mut events = self.events.iter().map(String::as_str);
        let event = events.find(|event| matches!(*event, "pre-rollback" | "post-rollback"))?;
        Some(format!("{event} hook {}/{}", self.kind, self.name))
    }
}

/// A revision's record, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// The release.
    pub release: ReleaseRef,
    /// Number of the revision.
    pub revision: Revision,
    /// Status of the revision.
    pub status: ReleaseStatus,
    /// Helm's or the operator's text: `Upgrade complete`, `Rollback to 1`.
    pub description: String,
    /// Revision that a rollback copied, when the record says so (Helm 4.3 `info.rollback_revision`, else the description).
    pub rolled_back_to: Option<Revision>,
    /// RFC 3339 time of the operation, when the record has one.
    pub last_deployed: Option<String>,
    /// Chart name.
    pub chart: String,
    /// Chart version.
    pub chart_version: String,
    /// The chart's `appVersion`.
    pub app_version: Option<String>,
    /// Way in which its objects were written.
    pub apply_method: ApplyMethod,
    /// The multi-document YAML that Helm applied; holds Secrets, so it is never printed or journalled.
    #[serde(skip)]
    pub manifest: String,
    /// SHA-256 of `manifest`, hex.
    pub manifest_sha256: String,
    /// Hooks that a rollback to this revision would run are among them.
    pub hooks: Vec<Hook>,
}

/// An order to put a revision back. Always an explicit number, never 0 (invariant I7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackOrder {
    /// The revision to go to.
    pub to: Revision,
    /// The revision that was current when the run was planned; the rollback becomes `from + 1`.
    pub from: Revision,
    /// `info.description` of the new record, where Helm offers it (at most 256 characters).
    pub description: String,
    /// Write client-side even where Helm would apply server-side, since a closed Service gate owns a field.
    pub client_side: bool,
    /// Leave the target's hooks out: a step on the way is not what they were written for.
    #[serde(default)]
    pub skips_hooks: bool,
    /// Milliseconds for the child process.
    pub timeout_ms: u64,
}

/// Result of `helm rollback`, read back from the release record, not from the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The new record, decoded.
    pub record: ReleaseRecord,
    /// The child's exit code, when it ran to its end.
    pub exit_code: Option<i32>,
    /// Last lines of the child's stderr, redacted.
    pub stderr_tail: Vec<String>,
}

/// Outcome of an order to roll back, as the release's records show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollbackOutcome {
    /// A record `from + 1` exists. Its status says whether the rollback succeeded.
    Recorded(Box<RolledBack>),
    /// No new record exists, so Helm changed nothing.
    NotRecorded(Failure),
    /// Another Helm operation made a revision meanwhile: what runs now is its to say.
    Overtaken(Failure),
    /// The records could not be read, so a new one may or may not exist.
    Unknown(Failure),
}

/// The helm binary that a run uses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HelmInfo {
    /// Path of the binary.
    pub path: String,
    /// Output of `helm version --short`.
    pub version: String,
    /// 3 or 4.
    pub major: u32,
    /// `helm rollback` offers `--description`.
    pub has_description: bool,
    /// `helm rollback` offers `--server-side`.
    pub has_server_side: bool,
}

impl ReleaseRecord {
    /// The objects of its manifest.
    ///
    /// # Errors
    /// `Invalid` when the manifest cannot be read; the place is told and not the content, which may be secret.
    pub fn objects(&self) -> Result<Manifest, Failure> {
        let Self { release, revision, .. } = self;
        Manifest::parse(&self.manifest, &release.namespace).map_err(|why| {
            Failure::invalid(format!("the manifest of {release} revision {revision} cannot be read"))
                .because(why)
                .next(format!(
                    "helm get manifest {} --revision {revision} -n {}",
                    release.name, release.namespace
                ))
        })
    }

    /// The model name that clients ask for, when the manifest tells it.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub fn served_model(&self) -> Result<Option<String>, Failure> {
        Ok(self.objects()?.serving_workloads().iter().find_map(served_model))
    }
}
