//! Data that the tests of this crate draw.

use vllm_rollback_engine::check::{CheckSpec, Measurement, Outcome, Phase, Verdict};
use vllm_rollback_engine::journal::RunSummary;
use vllm_rollback_engine::release::{ReleaseRef, ReleaseStatus, Revision, RevisionSummary};
use vllm_rollback_engine::report::{ExitCode, RunReport, StateName, StateReached};
use vllm_rollback_engine::traffic::{TrafficState, TrafficStatus};
use vllm_rollback_engine::workload::{Cause, CauseReason};

use crate::document::Document;
use crate::render;
use crate::status::Status;
use crate::style::Glyphs;

pub(crate) fn cause() -> Cause {
    Cause {
        reason: CauseReason::CrashLoop,
        object: "Pod/llama-1 container vllm".into(),
        message: "exits again and again, exit code 1".into(),
        evidence: vec!["ValueError: no such quantisation".into()],
        terminal: true,
        next: vec!["kubectl logs llama-1 -n prod --previous".into()],
    }
}

pub(crate) fn verdict(outcome: Outcome) -> Verdict {
    Verdict {
        check: "completion".into(),
        phase: Phase::Direct,
        required: true,
        pod: Some("llama-1".into()),
        outcome,
        summary: "answered in time".into(),
        measurements: vec![Measurement {
            name: "latency".into(),
            value: 412.0,
            unit: "ms".into(),
            limit: Some(3000.0),
        }],
        evidence: vec!["HTTP 200, 14 tokens".into()],
        log: vec!["asking for a completion".into()],
        seconds: 0.4,
    }
}

pub(crate) fn spec(name: &str, phase: Phase, skipped: Option<&str>) -> CheckSpec {
    CheckSpec {
        name: name.into(),
        version: "0.1.0".into(),
        digest: "0123456789abcdef".repeat(4),
        phase,
        required: true,
        grants: vec!["pod".into()],
        skipped: skipped.map(str::to_owned),
    }
}

pub(crate) fn traffic(status: TrafficStatus) -> TrafficState {
    TrafficState {
        driver: "service".into(),
        status,
        token: serde_json::Value::Null,
        endpoint: Some("Service/llama:8000".into()),
        evidence: vec!["EndpointSlice llama-x: 1 ready".into()],
    }
}

pub(crate) fn status() -> Status {
    Status {
        release: ReleaseRef {
            namespace: "prod".into(),
            name: "llama".into(),
        },
        current: RevisionSummary {
            revision: Revision(4),
            status: ReleaseStatus::Deployed,
            record: "sh.helm.release.v1.llama.v4".into(),
        },
        chart: Some("vllm-0.1.0".into()),
        description: None,
        last_good: None,
        pods: Vec::new(),
        traffic: None,
        held: None,
        lock: None,
        last_run: None,
        unfinished: None,
        last_words: None,
        warnings: Vec::new(),
        unread: Vec::new(),
        next: Vec::new(),
    }
}

pub(crate) fn run_summary(run_id: &str) -> RunSummary {
    RunSummary {
        run_id: run_id.into(),
        started: "2026-01-02T03:04:05Z".into(),
        from: 3,
        to: 1,
        step_back: None,
        spares: false,
        state: StateName::Held,
        exit_code: Some(10),
        summary: "completion failed".into(),
        by: "ann".into(),
    }
}

pub(crate) fn report() -> RunReport {
    RunReport {
        run_id: "01J0000000000000000000TEST".into(),
        tool_version: "0.1.0".into(),
        started: "2026-01-02T03:04:05Z".into(),
        seconds: 42.1,
        release: "llama".into(),
        namespace: "prod".into(),
        reason: Some("crash loop".into()),
        by: Some("ann".into()),
        outcome: StateName::Done,
        exit_code: ExitCode::Success,
        from_revision: Some(Revision(3)),
        to_revision: Some(Revision(1)),
        new_revision: Some(Revision(4)),
        states: vec![StateReached {
            name: StateName::Fenced,
            seconds: 0.31,
            at_seconds: 0.72,
            evidence: vec!["EndpointSlice llama-x: no endpoint".into(), "in flight: 0".into()],
        }],
        checks_planned: vec![
            spec("completion", Phase::Direct, None),
            spec("router-e2e", Phase::Routed, Some("no router is known")),
        ],
        checks: vec![verdict(Outcome::Pass)],
        causes: Vec::new(),
        traffic_before: Some(traffic(TrafficStatus::Enabled)),
        traffic_after: Some(traffic(TrafficStatus::Enabled)),
        failure: None,
        notes: vec!["the next helm upgrade is written client-side".into()],
        next: vec!["kubectl vllm-rollback status llama -n prod".into()],
        artifacts: vec!["/state/run.jsonl".into()],
    }
}

/// The text for people, without styles.
pub(crate) fn plain_text(document: &impl Document) -> String {
    plain_text_in(Glyphs::Ascii, document)
}

pub(crate) fn plain_text_in(glyphs: Glyphs, document: &impl Document) -> String {
    anstream::adapter::strip_str(&render::table(document, glyphs)).to_string()
}

/// The JSON, read back.
pub(crate) fn json(document: &impl Document) -> serde_json::Value {
    serde_json::from_str(&render::json(document).unwrap()).unwrap()
}
