//! The sides that are compared. Each starts from the same place: revision 2 serves, revision 1 is to come back.

use std::process::Command;
use std::time::Instant;

use vllm_rollback_engine::report::{RunReport, StateName};
use vllm_rollback_harness::databases::Postgres;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::process;
use vllm_rollback_harness::testbed::{HANG, Testbed};
use vllm_rollback_harness::{paths, rss};

/// Release name; also the model's name in the script's registry.
const RELEASE: &str = "bench";

/// Values of an instantly ready model: one pod, replaced in place, probed every second.
const VALUES: [&str; 1] = ["strategy.type=Recreate"];

/// The cluster and the registry of all runs.
#[derive(Debug)]
pub(crate) struct Bench {
    testbed: Testbed,
    postgres: Postgres,
}

/// One run of ours.
#[derive(Debug)]
pub(crate) struct OurRun {
    /// Wall time of the process.
    pub(crate) seconds: f64,
    /// From the start of the run until the model was proved to be out of traffic.
    pub(crate) fenced_ms: f64,
    /// Most memory the process held.
    pub(crate) peak_rss_mb: f64,
}

impl Bench {
    /// Starts both.
    pub(crate) fn start() -> Self {
        let postgres = Postgres::start();
        postgres.register(RELEASE, "development", "bench-vllm-deployment:8000", "ready");
        Self {
            testbed: Testbed::start(8),
            postgres,
        }
    }

    /// The whole run: fence, rollback, readiness, all checks, back into traffic.
    pub(crate) fn ours(&self, major: Major) -> OurRun {
        let namespace = self.two_revisions(major);
        let start = Instant::now();
        let mut running = namespace
            .tool(major)
            .start(&["rollback", RELEASE, "1", "--yes", "-o", "json"]);
        let (peak, output) = rss::peak_until_end(&mut running, HANG);
        let seconds = start.elapsed().as_secs_f64();
        let report: RunReport = serde_json::from_slice(&output)
            .unwrap_or_else(|e| panic!("not a report ({e}): {}", String::from_utf8_lossy(&output)));
        assert_eq!(
            report.exit_code.number(),
            0,
            "the run did not restore the model: {:?}",
            report.failure
        );
        let fenced = report
            .states
            .iter()
            .find(|state| state.name == StateName::Fenced)
            .expect("a run is fenced");
        OurRun {
            seconds,
            fenced_ms: fenced.at_seconds * 1e3,
            peak_rss_mb: peak,
        }
    }

    /// `helm rollback --wait` and nothing else.
    pub(crate) fn helm(&self, major: Major) -> f64 {
        let namespace = self.two_revisions(major);
        let start = Instant::now();
        namespace
            .helm(major)
            .run(&["rollback", RELEASE, "1", "--wait", "--timeout", "120s"]);
        start.elapsed().as_secs_f64()
    }

    /// The runbook's script, on Helm 3 as the runbook has it.
    pub(crate) fn script(&self) -> f64 {
        let namespace = self.two_revisions(Major::Three);
        let start = Instant::now();
        let output = process::run(
            Command::new("bash")
                .arg(paths::root().join("tests/harness/src/bin/bench/runbook.sh"))
                .arg(Major::Three.binary())
                .arg(paths::testbed_bin("kubectl"))
                .args([RELEASE, "1", &namespace.name])
                .env("KUBECONFIG", self.testbed.kubeconfig())
                .envs(self.postgres.client_env()),
            HANG,
        );
        assert!(
            output.status.success(),
            "the script failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        start.elapsed().as_secs_f64()
    }

    fn two_revisions(&self, major: Major) -> Namespace<'_> {
        let namespace = Namespace::create(&self.testbed, "bench");
        let helm = namespace.helm(major);
        let first = [&VALUES[..], &["revisionLabel=r1"]].concat();
        let second = [&VALUES[..], &["revisionLabel=r2"]].concat();
        helm.install(RELEASE, &first);
        assert!(
            helm.upgrade_and_wait(RELEASE, &second, "120s"),
            "revision 2 did not get ready"
        );
        namespace
    }
}
