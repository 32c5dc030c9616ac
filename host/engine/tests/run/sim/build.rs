//! Values and worlds to begin with.

use vllm_rollback_engine::check::{CheckSpec, Outcome, Phase, Verdict};
use vllm_rollback_engine::release::{ApplyMethod, ReleaseRecord, ReleaseRef, ReleaseStatus, Revision};
use vllm_rollback_engine::traffic::{TrafficState, TrafficStatus};

use super::state::{Health, Sim};

/// 2026-01-01T00:00:00Z plus so much.
pub(crate) fn wall(milliseconds: u64) -> String {
    let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let passed = jiff::SignedDuration::from_millis(i64::try_from(milliseconds).unwrap());
    start.checked_add(passed).unwrap().to_string()
}

/// A manifest as Helm's record has it; `own_field` is in no other manifest.
pub(crate) fn yaml(name: &str, own_field: bool) -> String {
    let own = if own_field {
        format!("{name}: own")
    } else {
        String::new()
    };
    format!("# {name}\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: llama}}\nspec: {{{own}}}\n")
}

/// The word by which the world knows a manifest.
pub(crate) fn name(manifest: &str) -> &str {
    let name = manifest.strip_prefix("# ").and_then(|rest| rest.lines().next());
    name.unwrap_or(manifest)
}

pub(crate) fn record(number: u32, status: ReleaseStatus, manifest: &str) -> ReleaseRecord {
    ReleaseRecord {
        release: ReleaseRef {
            namespace: "prod".into(),
            name: "llama".into(),
        },
        revision: Revision(number),
        status,
        description: String::new(),
        rolled_back_to: None,
        last_deployed: Some("2025-12-31T00:00:00Z".into()),
        chart: "vllm".into(),
        chart_version: "0.1.0".into(),
        app_version: None,
        apply_method: ApplyMethod::ServerSide,
        manifest: manifest.into(),
        manifest_sha256: format!("sha-{manifest}"),
        hooks: Vec::new(),
    }
}

pub(crate) fn traffic(status: TrafficStatus, is_half_out: bool) -> TrafficState {
    TrafficState {
        driver: "sim".into(),
        token: serde_json::json!({ "half": is_half_out }),
        evidence: vec![format!("row says {}", status.as_str())],
        endpoint: Some("llama.prod:8000".into()),
        status,
    }
}

pub(crate) fn spec(name: &str, phase: Phase, skipped: Option<String>) -> CheckSpec {
    CheckSpec {
        name: name.into(),
        version: "0.1.0".into(),
        digest: "00".into(),
        phase,
        required: true,
        grants: Vec::new(),
        skipped,
    }
}

pub(crate) fn verdict(phase: Phase, outcome: Outcome) -> Verdict {
    let check = if phase == Phase::Direct {
        "completion"
    } else {
        "router-e2e"
    };
    Verdict {
        check: check.into(),
        phase,
        required: true,
        pod: None,
        outcome,
        summary: format!("{outcome:?}"),
        measurements: Vec::new(),
        evidence: Vec::new(),
        log: Vec::new(),
        seconds: 0.1,
    }
}

/// A release with this history, oldest first; the last one is what was applied last.
pub(crate) fn history(revisions: &[(ReleaseStatus, &str)]) -> Sim {
    let sim = Sim::default();
    {
        let mut world = sim.world();
        world.has_router = true;
        for (at, (status, manifest)) in revisions.iter().enumerate() {
            let number = u32::try_from(at + 1).unwrap();
            world.records.push(record(number, *status, manifest));
        }
        let live = world.newest().manifest.clone();
        world.apply(&live);
    }
    sim
}

/// Revision 1 was good, revision 2 crashes.
pub(crate) fn crashed() -> Sim {
    let sim = history(&[(ReleaseStatus::Superseded, "good"), (ReleaseStatus::Deployed, "bad")]);
    let mut world = sim.world();
    world.health.insert("bad".into(), Health::CRASHING);
    world.health.insert("good".into(), Health::GOOD);
    let live = world.live.clone();
    world.pods.clear();
    world.apply(&live);
    drop(world);
    sim
}

/// As [`crashed`], with another behaviour of the good revision now.
pub(crate) fn crashed_with(target: Health) -> Sim {
    let sim = crashed();
    sim.world().health.insert("good".into(), target);
    sim
}
