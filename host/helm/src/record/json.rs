//! A record's JSON (helm v4.3 `pkg/release/v1`, v3.22 `pkg/release`). Charts, values and notes are skipped, not kept.

use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use vllm_rollback_engine::release::{ApplyMethod, Hook, ReleaseRecord, ReleaseRef, ReleaseStatus, Revision};
use vllm_rollback_objects::hex::hex;

#[derive(Deserialize)]
struct Record {
    name: String,
    version: u32,
    namespace: String,
    info: Info,
    manifest: Option<String>,
    chart: Option<Chart>,
    hooks: Option<Vec<RecordHook>>,
    apply_method: Option<String>,
}

#[derive(Deserialize)]
struct Info {
    status: String,
    description: Option<String>,
    #[serde(default, deserialize_with = "lenient_time")]
    last_deployed: Option<String>,
    /// Helm 4.3 and newer.
    rollback_revision: Option<u32>,
}

#[derive(Deserialize, Default)]
struct Chart {
    metadata: Option<ChartMetadata>,
}

#[derive(Deserialize, Default)]
struct ChartMetadata {
    name: Option<String>,
    version: Option<String>,
    #[serde(rename = "appVersion")]
    app_version: Option<String>,
}

#[derive(Deserialize)]
struct RecordHook {
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: String,
    events: Option<Vec<String>>,
    last_run: Option<HookRun>,
}

#[derive(Deserialize)]
struct HookRun {
    phase: Option<String>,
}

impl RecordHook {
    /// Helm writes the record when a hook begins, and again only after the next step, which a failure prevents (helm
    /// v4.3 `pkg/action/hooks.go`).
    fn began_only(&self) -> bool {
        let phase = self.last_run.as_ref().and_then(|run| run.phase.as_deref());
        matches!(phase, Some("Running" | "Failed"))
    }
}

/// Helm 3 writes `""` for no time, Helm 4 leaves it out; Go's zero time is year 1.
fn lenient_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.filter(|t| !t.is_empty() && !t.starts_with("0001-01-01")))
}

/// Parses the JSON of a record.
pub(super) fn parse(text: &[u8]) -> Result<ReleaseRecord, String> {
    let record: Record = serde_json::from_slice(text).map_err(|e| {
        // serde_json quotes values in some of its texts, and values may be secrets; the place is enough.
        let what = if e.is_data() {
            "is not a release record"
        } else {
            "is not JSON"
        };
        format!("its content {what} (line {}, column {})", e.line(), e.column())
    })?;
    let manifest = record.manifest.unwrap_or_default();
    let chart = record.chart.unwrap_or_default().metadata.unwrap_or_default();
    let description = record.info.description.unwrap_or_default();
    let hooks = record.hooks.unwrap_or_default().into_iter().map(|hook| Hook {
        began_only: hook.began_only(),
        name: hook.name,
        kind: hook.kind,
        events: hook.events.unwrap_or_default(),
    });
    Ok(ReleaseRecord {
        release: ReleaseRef {
            namespace: record.namespace,
            name: record.name,
        },
        revision: Revision(record.version),
        status: ReleaseStatus::parse(&record.info.status),
        rolled_back_to: rolled_back_to(record.info.rollback_revision, &description),
        description,
        last_deployed: record.info.last_deployed,
        chart: chart.name.unwrap_or_default(),
        chart_version: chart.version.unwrap_or_default(),
        app_version: chart.app_version.filter(|v| !v.is_empty()),
        apply_method: match record.apply_method.as_deref() {
            Some("ssa") => ApplyMethod::ServerSide,
            _ => ApplyMethod::ClientSide,
        },
        manifest_sha256: hex(&Sha256::digest(&manifest)),
        manifest,
        hooks: hooks.collect(),
    })
}

/// Helm's default text is `Rollback to N`; a text of the operator's may go on after the number.
fn rolled_back_to(field: Option<u32>, description: &str) -> Option<Revision> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    field
        .or_else(|| digits(description.strip_prefix("Rollback to ")?).parse().ok())
        .filter(|n| *n > 0)
        .map(Revision)
}
