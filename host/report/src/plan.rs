//! A plan: what a run would do.

use anstyle::Style;
use vllm_rollback_engine::check::Phase;
use vllm_rollback_engine::plan::{ObjectChange, ObjectDiff, Plan};
use vllm_rollback_engine::release::{ApplyMethod, Revision};

use crate::document::Document;
use crate::style::{BAD, FAINT, GOOD, Glyphs, PLAIN, STRONG, StatusIcon, WARN};
use crate::text::{TextWriter, plain, span};
use crate::time::whole;
use crate::traffic;
use crate::{sanitize, verdict};

impl Document for Plan {
    fn kind(&self) -> &'static str {
        "RollbackPlan"
    }

    fn write(&self, out: &mut TextWriter) {
        preview(out, self, Detail::Full);
        out.list("Hooks that will run", &self.hooks);
        findings(out, self);
        checks(out, self);
        what_happens(out, self);
    }
}

/// Draws what an operator must see before saying yes.
pub fn summary(plan: &Plan, glyphs: Glyphs) -> String {
    let mut out = TextWriter::new(glyphs);
    preview(&mut out, plan, Detail::Short);
    what_happens(&mut out, plan);
    out.finish()
}

fn preview(out: &mut TextWriter, plan: &Plan, detail: Detail) {
    header(out, plan);
    skipped(out, plan);
    step_back(out, plan);
    changes(out, plan, detail);
}

fn header(out: &mut TextWriter, plan: &Plan) {
    let route = format!("{} {} {}", plan.current.revision, out.arrow(), plan.target);
    out.line(
        0,
        &[
            span(STRONG, format!("Plan for {}  ", plan.release)),
            span(STRONG, route),
            span(FAINT, format!("  plan {}", short(&plan.digest))),
        ],
    );
    out.field(
        "Current",
        format!("revision {}  {}", plan.current.revision, plan.current.status),
    );
    out.field(
        "Target",
        format!(
            "revision {}  {}  manifest {}  {}",
            plan.target,
            plan.target_chart,
            short(&plan.target_manifest_sha256),
            method(plan),
        ),
    );
    out.field("Traffic", traffic::line(&plan.traffic));
    if let Some(model) = &plan.preflight.model {
        out.field("Model", model);
    }
    if let Some(run) = &plan.continues {
        out.field("Continues", format!("run {run}, whose rollback Helm has done already"));
    }
    out.field("Helm", format!("{}  {}", plan.helm.version, plan.helm.path));
    resumes(out, plan);
}

fn resumes(out: &mut TextWriter, plan: &Plan) {
    let Some(resumed) = &plan.resumes else {
        return;
    };
    out.heading("Run that is finished here");
    out.plain(
        2,
        format!("{} of {}, begun {}", resumed.run_id, resumed.by, resumed.started),
    );
    for step in &resumed.steps {
        out.line(
            2,
            &[
                span(STRONG, format!("{:<12} ", step.state)),
                plain(format!("{:<11} ", step.decision)),
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

fn skipped(out: &mut TextWriter, plan: &Plan) {
    if plan.skipped.is_empty() {
        return;
    }
    out.heading("Passed over");
    for skipped in &plan.skipped {
        out.plain(2, format!("{:>4}  {}", skipped.revision.to_string(), skipped.reason));
    }
}

fn step_back(out: &mut TextWriter, plan: &Plan) {
    let Some(back) = &plan.step_back else {
        return;
    };
    out.heading("One step back first");
    out.plain(2, format!(
            "revision {} was not applied to its end, and Helm would take it for what is live. Behind the fence it first goes \
             back to revision {}, whose fields are still live and would stay:",
            plan.current.revision, back.to
        ));
    for path in &back.fields {
        out.plain(4, path);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Short,
    Full,
}

fn changes(out: &mut TextWriter, plan: &Plan, detail: Detail) {
    out.heading("Changes");
    let kept = plan.diff.iter().filter(|one| one.change == ObjectChange::Keep).count();
    for one in &plan.diff {
        if one.change != ObjectChange::Keep || !one.live_drift.is_empty() {
            object(out, one, detail);
        }
    }
    let noun = if kept == 1 { "object stays" } else { "objects stay" };
    out.styled(2, FAINT, format!("{kept} {noun} as in the current manifest"));
}

fn object(out: &mut TextWriter, one: &ObjectDiff, detail: Detail) {
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
    out.line(
        2,
        &[
            span(style, format!("{sign} ")),
            span(STRONG, one.object.clone()),
            span(FAINT, size),
        ],
    );
    if detail == Detail::Full {
        for line in sanitize::lines(&one.manifest_diff) {
            out.styled(6, diff_style(&line), line);
        }
    }
    for drift in &one.live_drift {
        out.line(6, &[span(WARN, "live differs: "), plain(drift.clone())]);
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

fn findings(out: &mut TextWriter, plan: &Plan) {
    if plan.preflight.findings.is_empty() {
        return;
    }
    out.heading("Looked at");
    let mut findings: Vec<_> = plan.preflight.findings.iter().collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    for finding in findings {
        out.marked(
            2,
            finding.severity.into(),
            &[
                span(STRONG, format!("{:<14} ", finding.subject)),
                plain(finding.message.clone()),
            ],
        );
        out.labelled(6, "fix: ", &finding.next);
    }
}

fn checks(out: &mut TextWriter, plan: &Plan) {
    out.heading("Checks");
    if plan.checks.is_empty() {
        out.styled(2, WARN, "none");
    }
    for check in plan.checks.iter().filter(|check| check.skipped.is_none()) {
        let reach = list_or("nothing", &check.grants);
        let need = if check.required { "required" } else { "not required" };
        out.marked(
            2,
            StatusIcon::Note,
            &[
                span(FAINT, format!("{:<8}", check.phase)),
                span(STRONG, format!("{:<16} ", check.name)),
                plain(format!("{}  {need}  reaches: {reach}  ", check.version)),
                span(FAINT, format!("sha256 {}", short(&check.digest))),
            ],
        );
    }
    verdict::skipped(out, &plan.checks);
}

fn what_happens(out: &mut TextWriter, plan: &Plan) {
    let checks = |phase: Phase| {
        let checks = plan.checks.iter();
        let checks = checks.filter(|check| check.phase == phase && check.skipped.is_none());
        let names: Vec<String> = checks.map(|check| check.name.clone()).collect();
        list_or("none", &names)
    };
    let driver = &plan.traffic.driver;
    let (fence, failed) = match plan.spares.len() {
        0 => (
            format!("take the model out of traffic with the {driver} driver, and prove that it is out"),
            "If a required check fails, the model stays out of traffic.",
        ),
        _ => (
            format!(
                "check {}, then take all others out of traffic with the {driver} driver, and prove that they are out",
                spared_pods(plan)
            ),
            "If a required check fails, only the pods that were checked first go on serving.",
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
            plan.traffic.status.as_str()
        ),
        format!("check through the router: {}", checks(Phase::Routed)),
    ];
    out.heading("What will happen");
    for (at, step) in steps.iter().enumerate() {
        out.line(2, &[span(FAINT, format!("{}. ", at + 1)), plain(step.clone())]);
    }
    out.styled(2, FAINT, failed);
}

/// `a, b`; the word when there is nothing to list.
fn list_or(word: &str, items: &[String]) -> String {
    if items.is_empty() {
        word.to_owned()
    } else {
        items.join(", ")
    }
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
