//! A model release as most cases want it.

use std::io::{BufRead, BufReader};
use std::process::ChildStderr;

use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_harness::client::Answer;
use vllm_rollback_harness::helm::{Helm, Major};
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::process::Running;
use vllm_rollback_harness::testbed::Testbed;
use vllm_rollback_harness::tool::{Ran, Tool};

/// Release name.
pub(crate) const RELEASE: &str = "llama";
/// The chart's Service for it.
pub(crate) const SERVICE: &str = "llama-vllm-deployment";
/// What clients ask for.
pub(crate) const MODEL: &str = "llama-2-7b";
/// Pods are replaced in place, so a bad revision means an outage, as on a node without a spare GPU.
pub(crate) const RECREATE: &str = "strategy.type=Recreate";
/// Crashes while loading.
pub(crate) const CRASH: &str = "faults.CRASH_AT_START=1";

/// A release in its own namespace.
#[derive(Debug)]
pub(crate) struct Model {
    /// Its namespace.
    pub(crate) namespace: Namespace<'static>,
    /// The Helm that everything uses.
    pub(crate) major: Major,
}

impl Model {
    /// Installed, ready, revision 1.
    pub(crate) fn good(hint: &str, major: Major) -> Self {
        Self::good_with(hint, major, &[])
    }

    /// Installed with further values, ready, revision 1.
    pub(crate) fn good_with(hint: &str, major: Major, set: &[&str]) -> Self {
        let model = Self {
            namespace: Namespace::create(Testbed::shared(), hint),
            major,
        };
        model
            .helm()
            .install(RELEASE, &[&[RECREATE, "revisionLabel=1"], set].concat());
        model
    }

    /// Upgraded with these values; not waited for.
    pub(crate) fn upgrade(&self, revision: u32, set: &[&str]) {
        let label = format!("revisionLabel={revision}");
        self.helm()
            .upgrade(RELEASE, &[&[RECREATE, label.as_str()], set].concat());
    }

    /// Upgraded with these values; whether Helm called it a success within `timeout`.
    pub(crate) fn upgrade_and_wait(&self, revision: u32, set: &[&str], timeout: &str) -> bool {
        let label = format!("revisionLabel={revision}");
        self.helm()
            .upgrade_and_wait(RELEASE, &[&[RECREATE, label.as_str()], set].concat(), timeout)
    }

    /// Good revision 1, crash-looping revision 2.
    pub(crate) fn crashed(hint: &str, major: Major) -> Self {
        let model = Self::good(hint, major);
        model.upgrade(2, &[CRASH]);
        model
    }

    /// Helm in the release's namespace.
    pub(crate) fn helm(&self) -> Helm<'_> {
        self.namespace.helm(self.major)
    }

    /// The shipped binary in the release's namespace.
    pub(crate) fn tool(&self) -> Tool {
        self.namespace.tool(self.major)
    }

    /// Rolls back with `--yes -o json` and these arguments.
    pub(crate) fn rollback(&self, args: &[&str]) -> Ran {
        self.tool().rollback(RELEASE, args)
    }

    /// What a user gets.
    pub(crate) fn ask(&self) -> Answer {
        self.namespace.ask(SERVICE, MODEL)
    }

    /// A user gets the answer of this revision.
    #[track_caller]
    pub(crate) fn assert_serves(&self, revision: u32) {
        let answer = self.ask();
        assert!(answer.is_served(), "a user gets {answer:?}");
        assert!(
            answer.text.contains(&format!("revision {revision}.")),
            "another revision answers: {answer:?}"
        );
    }

    /// A user gets no answer at all.
    #[track_caller]
    pub(crate) fn assert_out_of_traffic(&self) {
        let answer = self.ask();
        assert_eq!(answer.status, None, "the model still serves: {answer:?}");
        assert!(
            self.namespace.client(SERVICE).endpoints().is_empty(),
            "the Service still has endpoints"
        );
    }

    /// Statuses by revision, oldest first.
    pub(crate) fn statuses(&self) -> Vec<String> {
        self.helm()
            .history(RELEASE)
            .into_iter()
            .map(|(_, status, _)| status)
            .collect()
    }
}

/// The run ended with the model back, through every state with its proof.
#[track_caller]
pub(crate) fn assert_restored(report: &RunReport, to: u32) {
    assert_eq!(report.outcome, StateName::Done, "{:?}", report.failure);
    assert_eq!(report.to_revision.map(|revision| revision.0), Some(to));
    let names: Vec<StateName> = report.states.iter().map(|state| state.name).collect();
    for state in [
        StateName::Locked,
        StateName::Fenced,
        StateName::RolledBack,
        StateName::Ready,
        StateName::Validated,
        StateName::Unfenced,
    ] {
        assert!(names.contains(&state), "{state} is missing from {names:?}");
    }
    for state in &report.states {
        assert!(
            !state.evidence.is_empty(),
            "{} is reported without evidence",
            state.name
        );
    }
}

/// Reads a run's stderr until it says these words; the reader is for the rest.
#[track_caller]
pub(crate) fn until_said(running: &mut Running, words: &str) -> BufReader<ChildStderr> {
    let mut stderr = BufReader::new(running.child().stderr.take().expect("stderr is piped"));
    let mut seen = String::new();
    while !seen.contains(words) {
        assert!(
            stderr.read_line(&mut seen).expect("stderr is text") > 0,
            "the run ended early: {seen}"
        );
    }
    stderr
}
