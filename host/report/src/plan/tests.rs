use vllm_rollback_engine::plan::{Skipped, StepBack};
use vllm_rollback_engine::release::{HelmInfo, ReleaseRef, ReleaseStatus, RevisionSummary};
use vllm_rollback_engine::traffic::TrafficStatus;
use vllm_rollback_engine::workload::{Finding, Preflight, Severity};

use super::*;
use crate::fixtures;

fn plan() -> Plan {
    Plan {
        release: ReleaseRef {
            namespace: "prod".into(),
            name: "llama".into(),
        },
        current: RevisionSummary {
            revision: Revision(3),
            status: ReleaseStatus::Failed,
            record: "sh.helm.release.v1.llama.v3".into(),
        },
        target: Revision(1),
        target_chart: "vllm-0.1.0".into(),
        target_manifest_sha256: "abcdef0123456789".into(),
        target_apply_method: ApplyMethod::ServerSide,
        skipped: vec![Skipped {
            revision: Revision(2),
            reason: "failed: timed out".into(),
        }],
        diff: vec![
            ObjectDiff {
                object: "Deployment/llama".into(),
                change: ObjectChange::Modify,
                manifest_diff: "--- 3\n+++ 1\n@@ -1 +1 @@\n-image: bad\n+image: good\n".into(),
                live_drift: vec!["spec.replicas: 1 → 2".into()],
            },
            ObjectDiff {
                object: "Service/llama".into(),
                change: ObjectChange::Keep,
                manifest_diff: String::new(),
                live_drift: Vec::new(),
            },
        ],
        hooks: Vec::new(),
        spares: Vec::new(),
        preflight: Preflight {
            standing: None,
            findings: vec![
                Finding {
                    severity: Severity::Ok,
                    subject: "helm".into(),
                    message: "v3.22.0".into(),
                    next: Vec::new(),
                },
                Finding {
                    severity: Severity::Warning,
                    subject: "gpu-room".into(),
                    message: "no free GPU for a surge".into(),
                    next: vec!["set maxSurge to 0".into()],
                },
            ],
            startup_budget_seconds: 600,
            model: Some("llama-2-7b".into()),
            services: vec!["llama".into()],
            gitops: None,
        },
        helm: HelmInfo {
            path: "/usr/bin/helm".into(),
            version: "v3.22.0".into(),
            major: 3,
            has_description: false,
            has_server_side: false,
        },
        client_side: true,
        step_back: None,
        continues: None,
        resumes: None,
        traffic: fixtures::traffic(TrafficStatus::Enabled),
        checks: vec![
            fixtures::spec("completion", Phase::Direct, None),
            fixtures::spec("router-e2e", Phase::Routed, Some("no router is known")),
        ],
        digest: "99887766554433221100".into(),
    }
}

#[test]
fn a_plan_shows_the_target_every_skipped_revision_the_changes_and_the_steps() {
    let text = fixtures::plain_text_in(Glyphs::Unicode, &plan());
    assert_eq!(
        text,
        "\
Plan for prod/llama  3 → 1  plan 998877665544
Current   revision 3  failed
Target    revision 1  vllm-0.1.0  manifest abcdef012345  written client-side, since the closed gate owns a field
Traffic   enabled (service driver) at Service/llama:8000
Model     llama-2-7b
Helm      v3.22.0  /usr/bin/helm

Passed over
     2  failed: timed out

Changes
  ~ Deployment/llama  +1 -1 lines
      --- 3
      +++ 1
      @@ -1 +1 @@
      -image: bad
      +image: good
      live differs: spec.replicas: 1 → 2
  1 object stays as in the current manifest

Looked at
  ! gpu-room       no free GPU for a surge
      fix: set maxSurge to 0
  ✔ helm           v3.22.0

Checks
  · direct  completion       0.1.0  required  reaches: pod  sha256 0123456789ab
  - router-e2e       not run: no router is known

What will happen
  1. take the model out of traffic with the service driver, and prove that it is out
  2. helm rollback llama 1, which becomes revision 4
  3. wait for its pods, at most 10m
  4. check each pod before clients reach it: completion
  5. put traffic back to enabled, exactly as it was found
  6. check through the router: none
  If a required check fails, the model stays out of traffic.
"
    );
}

#[test]
fn the_summary_leaves_the_diff_lines_out() {
    let text = summary(&plan(), Glyphs::Ascii);
    assert!(text.contains("Deployment/llama"));
    assert!(!text.contains("image: bad"));
}

#[test]
fn a_step_back_says_why_and_what_would_stay() {
    let mut plan = plan();
    plan.step_back = Some(StepBack {
        to: Revision(2),
        fields: vec!["Deployment/llama: spec.paused".into()],
    });
    for text in [fixtures::plain_text(&plan), summary(&plan, Glyphs::Ascii)] {
        assert!(text.contains("back to revision 2"), "{text}");
        assert!(text.contains("Deployment/llama: spec.paused"), "{text}");
    }
}

#[test]
fn a_plan_that_continues_an_earlier_run_says_that_helm_is_not_run_again() {
    let mut plan = plan();
    plan.continues = Some("01J".into());
    let text = fixtures::plain_text(&plan);
    assert!(
        text.contains("Continues run 01J, whose rollback Helm has done already\n"),
        "{text}"
    );
    assert!(text.contains("2. leave revision 3 as it is"), "{text}");
}
