//! The main job on a throwaway cluster: a good release, a bad one, the rollback, and what a user of the model gets
//! before, during and after. Everything shown and written was observed in this run.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr
)]

mod record;
mod scenario;
mod user;

use std::io::Read;
use std::process::{ExitCode, Stdio};
use std::time::Instant;

use scenario::Scenario;
use user::Asking;
use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::process::Running;
use vllm_rollback_harness::testbed::{HANG, Testbed};
use vllm_rollback_report::render;
use vllm_rollback_report::run::{ReportKind, RunDocument};
use vllm_rollback_report::style::Glyphs;

/// Release name.
const RELEASE: &str = "llama-2-7b-production";
/// The chart names its Service like this.
const SERVICE: &str = "llama-2-7b-production-vllm-deployment";
/// What clients ask for.
const MODEL: &str = "llama-2-7b";

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_else(|| "crash".to_owned());
    let Some(scenario) = Scenario::named(&name) else {
        eprintln!("error: DEMO={name} is not one of: {}", Scenario::names().join(", "));
        return ExitCode::from(2);
    };
    let start = Instant::now();
    say("Starting a Kubernetes cluster: control plane, scheduler, controllers and kubelet on loopback");
    let testbed = Testbed::start(8);
    let namespace = Namespace::create(&testbed, "production");
    println!("    ready after {:.1} s", start.elapsed().as_secs_f64());

    say("Installing the good release (revision 1) with Helm 4");
    namespace.helm(Major::Four).run(&scenario::install(RELEASE));
    show("a user of the model gets", &namespace.ask(SERVICE, MODEL));

    say(&format!("Upgrading it to a bad one (revision 2): {}", scenario.what));
    namespace.helm(Major::Four).run(&scenario.upgrade(RELEASE));
    let before = scenario.wait_until_bad(&namespace, SERVICE, MODEL);
    show("a user of the model gets", &before);
    print!(
        "{}",
        indent(&namespace.kubectl().run(&["get", "pods", "-n", &namespace.name]))
    );

    say(&format!(
        "kubectl vllm-rollback {RELEASE} -n {} --yes --reason \"{}\"",
        namespace.name, scenario.reason
    ));
    let (report, fenced) = roll_back(&namespace, &scenario);
    let document = RunDocument {
        kind: ReportKind::Rollback,
        report: &report,
    };
    anstream::print!("\n{}", render::table(&document, Glyphs::Unicode));

    let after = namespace.ask(SERVICE, MODEL);
    println!();
    show("before, a user got   ", &before);
    show("while it was fenced  ", &fenced);
    show("now a user gets      ", &after);
    let path = record::write(&report, &before, &fenced, &after);
    println!("\n    {}", path.display());

    let good = report.outcome == StateName::Done && after.is_served() && after.text.contains(scenario::GOOD_ANSWER);
    if good {
        say(&format!(
            "Proven good again after {:.1} s, the whole demo took {:.0} s",
            report.seconds,
            start.elapsed().as_secs_f64()
        ));
    } else {
        say("The demo did not end as it should: see above");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the shipped binary with its progress on this terminal, while a user keeps asking.
fn roll_back(namespace: &Namespace<'_>, scenario: &Scenario) -> (RunReport, vllm_rollback_harness::client::Answer) {
    let asking = Asking::start(namespace.client(SERVICE), MODEL);
    let mut command = namespace.tool(Major::Four).command();
    command.args(["rollback", RELEASE, "--yes", "-o", "json", "--reason", scenario.reason]);
    let mut running = Running::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
    let mut stdout = String::new();
    running
        .child()
        .stdout
        .take()
        .expect("stdout is piped")
        .read_to_string(&mut stdout)
        .expect("the report is text");
    running.wait(HANG);
    let report: RunReport =
        serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("the tool printed no report ({e}): {stdout}"));
    let fenced = asking.answer_while_fenced(&report);
    (report, fenced)
}

fn say(text: &str) {
    println!("\n==> {text}");
}

fn show(label: &str, answer: &vllm_rollback_harness::client::Answer) {
    let status = answer
        .status
        .map_or_else(|| "no answer".to_owned(), |status| format!("HTTP {status}"));
    println!("    {label}: {status}: {}", answer.text);
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
