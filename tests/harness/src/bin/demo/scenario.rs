//! The runbook's four scenarios, as values of the chart.

use std::time::Duration;

use vllm_rollback_harness::client::Answer;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::{paths, wait};

/// How long a bad release may take to show that it is bad.
const BAD: Duration = Duration::from_secs(120);

/// What the answers of the good release hold.
pub(crate) const GOOD_ANSWER: &str = "revision 1";

/// A way in which a release is bad.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// The word after `DEMO=`.
    name: &'static str,
    /// One line for people.
    pub(crate) what: &'static str,
    /// What an operator would give as `--reason`.
    pub(crate) reason: &'static str,
    /// Values file of the chart.
    values: &'static str,
    /// The symptom, as JSON path of a pod and the value that shows it; none when the pod is ready and only its answers are wrong.
    symptom: Symptom,
}

#[derive(Debug)]
enum Symptom {
    /// A container waits with this reason.
    Waiting(&'static str),
    /// The pod runs and is not ready.
    NotReady,
    /// The pod answers, and not as it should.
    WrongAnswer,
}

const ALL: [Scenario; 4] = [
    Scenario {
        name: "crash",
        what: "its pods crash at start",
        reason: "pods crash-looping since the upgrade",
        values: "values-crash.yaml",
        symptom: Symptom::Waiting("CrashLoopBackOff"),
    },
    Scenario {
        name: "health",
        what: "its health checks fail",
        reason: "health checks failing since the upgrade",
        values: "values-health.yaml",
        symptom: Symptom::NotReady,
    },
    Scenario {
        name: "timeout",
        what: "it never finishes loading the model",
        reason: "model loading exceeds the startup probe",
        values: "values-timeout.yaml",
        symptom: Symptom::NotReady,
    },
    Scenario {
        name: "wrong-model",
        what: "it is ready, and serves another model",
        reason: "wrong model version deployed",
        values: "values-wrong-model.yaml",
        symptom: Symptom::WrongAnswer,
    },
];

impl Scenario {
    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|scenario| scenario.name == name)
    }

    /// All names.
    pub(crate) fn names() -> Vec<&'static str> {
        ALL.iter().map(|scenario| scenario.name).collect()
    }

    /// `helm upgrade` to the bad release.
    pub(crate) fn upgrade(&self, release: &str) -> Vec<String> {
        helm_args(&["upgrade", release], self.values)
    }

    /// Waits until the release shows its symptom; what a user gets then.
    pub(crate) fn wait_until_bad(&self, namespace: &Namespace<'_>, service: &str, model: &str) -> Answer {
        let shown = || {
            let pods = namespace.kubectl().json(&[
                "get",
                "pods",
                "-n",
                &namespace.name,
                "-l",
                "app.kubernetes.io/name=vllm-deployment",
            ])?;
            let statuses: Vec<&serde_json::Value> = pods["items"]
                .as_array()?
                .iter()
                .flat_map(|pod| pod["status"]["containerStatuses"].as_array())
                .flatten()
                .collect();
            let answer = namespace.ask(service, model);
            let bad = match self.symptom {
                Symptom::Waiting(reason) => statuses
                    .iter()
                    .any(|status| status["state"]["waiting"]["reason"] == reason),
                Symptom::NotReady => statuses
                    .iter()
                    .any(|status| status["ready"] == false && status["state"]["running"].is_object()),
                Symptom::WrongAnswer => answer.status.is_some() && !answer.text.contains(GOOD_ANSWER),
            };
            (bad && !answer.text.contains(GOOD_ANSWER)).then_some(answer)
        };
        wait::until(self.what, BAD, shown)
    }
}

/// `helm install` of the good release, ready when it returns.
pub(crate) fn install(release: &str) -> Vec<String> {
    let mut args = helm_args(&["install", release], "values-good.yaml");
    args.extend(["--wait", "--timeout", "120s"].map(str::to_owned));
    args
}

fn helm_args(verb: &[&str], values: &str) -> Vec<String> {
    let chart = paths::chart();
    let mut args: Vec<String> = verb.iter().map(|word| (*word).to_owned()).collect();
    args.push(chart.display().to_string());
    args.extend(["-f".to_owned(), chart.join(values).display().to_string()]);
    args
}
