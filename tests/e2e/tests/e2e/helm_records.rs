//! Helm keeps the whole chart in each record, and a record is a Secret: at most 1 MiB.

use std::io::Read;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use vllm_rollback_engine::report::StateName;
use vllm_rollback_harness::helm::Major;
use vllm_rollback_harness::paths;

use crate::fixture::{CRASH, Model, RECREATE, RELEASE, assert_restored};
use crate::on_both_helms;

/// Kubernetes' limit for the data of a Secret.
const LIMIT: usize = 1_048_576;

/// The chart with a file that no compression makes smaller.
struct BigChart {
    dir: tempfile::TempDir,
    noise: Vec<u8>,
}

impl BigChart {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let copied = Command::new("cp")
            .arg("-r")
            .arg(paths::chart())
            .arg(dir.path())
            .status();
        assert!(copied.expect("cp starts").success());
        let mut noise = vec![0; 800_000];
        let mut source = std::fs::File::open("/dev/urandom").expect("the system has noise");
        source.read_exact(&mut noise).expect("enough of it");
        Self { dir, noise }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("vllm-deployment")
    }

    /// Upgrades to it with a file of so many bytes.
    fn upgrade(&self, model: &Model, bytes: usize, set: &[&str]) {
        write(&self.path().join("weights.bin"), &self.noise[..bytes]);
        let path = self.path().to_string_lossy().into_owned();
        let mut args = vec!["upgrade", RELEASE, path.as_str(), "--no-hooks", "--set", RECREATE];
        for pair in set {
            args.extend(["--set", pair]);
        }
        model.helm().run(&args);
    }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("the temporary directory is writable");
}

/// Bytes of the record's Secret, as the limit counts them.
fn size(model: &Model, revision: u32) -> usize {
    let path = format!(
        "/api/v1/namespaces/{}/secrets/sh.helm.release.v1.{RELEASE}.v{revision}",
        model.namespace.name
    );
    let secret: Value = model.namespace.testbed.api().get(&path).expect("the record exists");
    let encoded = secret["data"]["release"].as_str().unwrap_or_default();
    encoded.trim_end_matches('=').len() * 3 / 4
}

on_both_helms!(
    a_record_of_nearly_a_megabyte_is_read_planned_and_rolled_back_to,
    |major| {
        let model = Model::good("big", major);
        let chart = BigChart::new();
        chart.upgrade(&model, 740_000, &["revisionLabel=2"]);
        assert!((950_000..LIMIT).contains(&size(&model, 2)), "{}", size(&model, 2));
        chart.upgrade(&model, 740_000, &["revisionLabel=3", CRASH]);
        let history = model.tool().run(&["history", RELEASE]).expect_code(0);
        assert!(history.stdout.contains("superseded"), "{}", history.stdout);
        model.tool().run(&["plan", RELEASE]).expect_code(0);
        assert_restored(&model.rollback(&[]).expect_code(0).report(), 2);
        assert!(size(&model, 4) > 950_000);
        model.assert_serves(2);
    }
);

/// Helm 4 alone: what a reason adds to the record is what makes it too large.
#[test]
fn a_record_that_would_be_too_large_is_explained_and_a_shorter_reason_helps() {
    let model = Model::good("toobig", Major::Four);
    let chart = BigChart::new();
    // A record that leaves room for what a rollback adds to it, and not for a reason of 240 letters besides.
    let (mut bytes, mut revision) = (740_000, 2);
    loop {
        chart.upgrade(&model, bytes, &[&format!("revisionLabel={revision}")]);
        let size = size(&model, revision);
        let room = (LIMIT - 180).saturating_sub(size);
        if room < 40 {
            assert!(size < LIMIT - 140, "{size}");
            break;
        }
        // Nearly four thirds of a byte of the record for each byte of noise, so that it is approached from below.
        bytes += room * 74 / 100;
        revision += 1;
    }
    model.upgrade(revision + 1, &[CRASH]);
    let target = revision.to_string();
    let letters = chart.noise.iter().map(|byte| char::from(*byte));
    let reason: String = letters.filter(char::is_ascii_alphanumeric).take(240).collect();
    let report = model.rollback(&[&target, "--reason", &reason]).expect_code(11).report();
    assert_eq!(report.outcome, StateName::Held);
    let said = format!("{:?} {:?}", report.failure, report.next);
    assert!(said.contains("larger than the cluster stores"), "{said}");
    assert!(said.contains("shorter one"), "{said}");
    assert_eq!(
        model.statuses().last().map(String::as_str),
        Some("deployed"),
        "helm made a revision"
    );
    model.assert_out_of_traffic();
    assert_restored(&model.rollback(&[&target]).expect_code(0).report(), revision);
    model.assert_serves(revision);
}
