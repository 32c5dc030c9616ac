//! A plan: what a run would do.

use anstyle::Style;
use vllm_rollback_engine::check::Phase;
use vllm_rollback_engine::failure::Failure;
use vllm_rollback_engine::plan::{ObjectChange, ObjectDiff, Plan};
use vllm_rollback_engine::release::{ApplyMethod, Revision};

use crate::json::{self, Kind};
use crate::look::{BAD, FAINT, GOOD, Glyphs, Mark, PLAIN, STRONG, WARN};
use crate::page::{Page, plain, span};
use crate::run::traffic_line;
use crate::time::whole;
use crate::{clean, verdict};

/// Draws the plan for people, diffs included.
pub fn table(plan: &Plan, glyphs: Glyphs) -> String {
    let mut page = Page::new(glyphs);
    header(&mut page, plan);
    skipped(&mut page, plan);
    step_back(&mut page, plan);
    page.heading("Changes");
    changes(&mut page, plan, Detail::Full);
    page.list("Hooks that will run", &plan.hooks);
    findings(&mut page, plan);
    checks(&mut page, plan);
    what_happens(&mut page, plan);
    page.finish()
}

/// Draws what an operator must see before saying yes.
pub fn summary(plan: &Plan, glyphs: Glyphs) -> String {
    let mut page = Page::new(glyphs);
    header(&mut page, plan);
    skipped(&mut page, plan);
    step_back(&mut page, plan);
    page.heading("Changes");
    changes(&mut page, plan, Detail::Short);
    what_happens(&mut page, plan);
    page.finish()
}

/// Draws the plan for programs.
///
/// # Errors
/// As [`json::document`].
pub fn json(plan: &Plan) -> Result<String, Failure> {
    json::document(Kind::RollbackPlan, plan)
}

fn header(page: &mut Page, plan: &Plan) {
    let route = format!("{} {} {}", plan.current.revision, page.arrow(), plan.target);
    page.line(
        0,
        &[
            span(STRONG, format!("Plan for {}  ", plan.release)),
            span(STRONG, route),
            span(FAINT, format!("  plan {}", short(&plan.digest))),
        ],
    );
    page.field(
        "Current",
        &[plain(format!(
            "revision {}  {}",
            plan.current.revision, plan.current.status
        ))],
    );
    page.field(
        "Target",
        &[plain(format!(
            "revision {}  {}  manifest {}  {}",
            plan.target,
            plan.target_chart,
            short(&plan.target_manifest_sha256),
            method(plan),
        ))],
    );
    page.field("Traffic", &[plain(traffic_line(&plan.traffic))]);
    if let Some(model) = &plan.preflight.model {
        page.field("Model", &[plain(model.clone())]);
    }
    if let Some(run) = &plan.continues {
        page.field(
            "Continues",
            &[plain(format!("run {run}, whose rollback Helm has done already"))],
        );
    }
    page.field("Helm", &[plain(format!("{}  {}", plan.helm.version, plan.helm.path))]);
    resumes(page, plan);
}

fn resumes(page: &mut Page, plan: &Plan) {
    let Some(resumed) = &plan.resumes else {
        return;
    };
    page.heading("Run that is finished here");
    page.line(
        2,
        &[plain(format!(
            "{} of {}, begun {}",
            resumed.run_id, resumed.by, resumed.started
        ))],
    );
    for step in &resumed.steps {
        page.line(
            2,
            &[
                span(STRONG, format!("{:<12} ", step.state.word())),
                plain(format!("{:<11} ", step.decision.word())),
                plain(step.why.clone()),
            ],
        );
    }
}

fn method(plan: &Plan) -> &'static str {
    match (plan.client_side, plan.target_apply_method) {
        (true, ApplyMethod::ServerSide) => "written client-side, since the closed gate owns a field",
        (true, ApplyMethod::ClientSide) | (false, ApplyMethod::ClientSide) => "written client-side",
        (false, ApplyMethod::ServerSide) => "written server-side",
    }
}

/// The first characters of a digest, enough to compare by eye.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn skipped(page: &mut Page, plan: &Plan) {
    if plan.skipped.is_empty() {
        return;
    }
    page.heading("Passed over");
    for skipped in &plan.skipped {
        page.line(
            2,
            &[plain(format!(
                "{:>4}  {}",
                skipped.revision.to_string(),
                skipped.reason
            ))],
        );
    }
}

fn step_back(page: &mut Page, plan: &Plan) {
    let Some(back) = &plan.step_back else {
        return;
    };
    page.heading("One step back first");
    page.line(
        2,
        &[plain(format!(
            "revision {} was not applied to its end, and Helm would take it for what is live. Behind the fence it first goes \
             back to revision {}, whose fields are still live and would stay:",
            plan.current.revision, back.to
        ))],
    );
    for path in &back.fields {
        page.line(4, &[plain(path.clone())]);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Short,
    Full,
}

fn changes(page: &mut Page, plan: &Plan, detail: Detail) {
    let kept = plan.diff.iter().filter(|one| one.change == ObjectChange::Keep).count();
    for one in &plan.diff {
        if one.change != ObjectChange::Keep || !one.live_drift.is_empty() {
            object(page, one, detail);
        }
    }
    let noun = if kept == 1 { "object stays" } else { "objects stay" };
    page.line(2, &[span(FAINT, format!("{kept} {noun} as in the current manifest"))]);
}

fn object(page: &mut Page, one: &ObjectDiff, detail: Detail) {
    let (sign, style) = match one.change {
        ObjectChange::Create => ("+", GOOD),
        ObjectChange::Modify => ("~", WARN),
        ObjectChange::Delete => ("-", BAD),
        ObjectChange::Keep => ("=", FAINT),
    };
    let count = |sign: char, header: &str| {
        one.manifest_diff
            .lines()
            .filter(|line| line.starts_with(sign) && !line.starts_with(header))
            .count()
    };
    let size = match (count('+', "+++"), count('-', "---")) {
        (0, 0) => String::new(),
        (added, removed) => format!("  +{added} -{removed} lines"),
    };
    page.line(
        2,
        &[
            span(style, format!("{sign} ")),
            span(STRONG, one.object.clone()),
            span(FAINT, size),
        ],
    );
    if detail == Detail::Full {
        for line in clean::lines(&one.manifest_diff) {
            page.line(6, &[span(diff_style(&line), line)]);
        }
    }
    for drift in &one.live_drift {
        page.line(6, &[span(WARN, "live differs: "), plain(drift.clone())]);
    }
}

fn diff_style(line: &str) -> Style {
    match line.chars().next() {
        Some('+') => GOOD,
        Some('-') => BAD,
        Some('@') => FAINT,
        _ => PLAIN,
    }
}

fn findings(page: &mut Page, plan: &Plan) {
    if plan.preflight.findings.is_empty() {
        return;
    }
    page.heading("Looked at");
    let mut findings: Vec<_> = plan.preflight.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings {
        page.marked(
            2,
            finding.severity.into(),
            &[
                span(STRONG, format!("{:<14} ", finding.subject)),
                plain(finding.message.clone()),
            ],
        );
        for next in &finding.next {
            page.line(6, &[span(FAINT, "fix: "), plain(next.clone())]);
        }
    }
}

fn checks(page: &mut Page, plan: &Plan) {
    page.heading("Checks");
    if plan.checks.is_empty() {
        page.line(2, &[span(WARN, "none")]);
    }
    for check in plan.checks.iter().filter(|check| check.skipped.is_none()) {
        let reach = if check.grants.is_empty() {
            "nothing".to_owned()
        } else {
            check.grants.join(", ")
        };
        let need = if check.required { "required" } else { "not required" };
        page.marked(
            2,
            Mark::Note,
            &[
                span(FAINT, format!("{:<8}", verdict::phase_word(check.phase))),
                span(STRONG, format!("{:<16} ", check.name)),
                plain(format!("{}  {need}  reaches: {reach}  ", check.version)),
                span(FAINT, format!("sha256 {}", short(&check.digest))),
            ],
        );
    }
    verdict::skipped(page, &plan.checks);
}

fn what_happens(page: &mut Page, plan: &Plan) {
    let checks = |phase: Phase| -> String {
        let names: Vec<&str> = plan
            .checks
            .iter()
            .filter(|check| check.phase == phase && check.skipped.is_none())
            .map(|check| check.name.as_str())
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let driver = &plan.traffic.driver;
    let spared = plan.spares.len();
    let fence = match spared {
        0 => format!("take the model out of traffic with the {driver} driver, and prove that it is out"),
        _ => format!(
            "check {}, then take all others out of traffic with the {driver} driver, and prove that they are out",
            spared_pods(plan)
        ),
    };
    let steps = [
        fence,
        helm_step(plan),
        format!(
            "wait for its pods, at most {}",
            whole(plan.preflight.startup_budget_seconds)
        ),
        format!("check each pod before clients reach it: {}", checks(Phase::Direct)),
        format!(
            "put traffic back to {}, exactly as it was found",
            plan.traffic.status.word()
        ),
        format!("check through the router: {}", checks(Phase::Routed)),
    ];
    page.heading("What will happen");
    for (at, step) in steps.iter().enumerate() {
        page.line(2, &[span(FAINT, format!("{}. ", at + 1)), plain(step.clone())]);
    }
    page.line(
        2,
        &[span(
            FAINT,
            match spared {
                0 => "If a required check fails, the model stays out of traffic.",
                _ => "If a required check fails, only the pods that were checked first go on serving.",
            },
        )],
    );
}

/// `pod a, which serves`, `pods a, b, which serve`.
fn spared_pods(plan: &Plan) -> String {
    let names: Vec<&str> = plan.spares.iter().map(|pod| pod.name.as_str()).collect();
    match names.as_slice() {
        [name] => format!("pod {name}, which serves"),
        names => format!("pods {}, which serve", names.join(", ")),
    }
}

fn helm_step(plan: &Plan) -> String {
    if plan.continues.is_some() {
        return format!(
            "leave revision {} as it is: it is the rollback already",
            plan.current.revision
        );
    }
    let name = &plan.release.name;
    let made = Revision(plan.current.revision.0.saturating_add(1));
    match &plan.step_back {
        None => format!("helm rollback {name} {}, which becomes revision {made}", plan.target),
        Some(back) => format!(
            "helm rollback {name} {}, which becomes revision {made}, then helm rollback {name} {}",
            back.to, plan.target
        ),
    }
}

#[cfg(test)]
mod tests;
