//! Charts whose YAML is odd, and which Helm installs all the same.

use std::path::Path;
use std::process::Command;

use vllm_rollback_harness::namespace::Namespace;
use vllm_rollback_harness::paths;
use vllm_rollback_harness::testbed::Testbed;

use crate::fixture::{CRASH, Model, RECREATE, RELEASE, assert_restored};
use crate::on_both_helms;

/// Documents as people's charts have them: only comments, a comment behind the separator, tabs, Windows' line ends, anchors,
/// merges, a separator inside a text, words of YAML 1.1, a List.
const ODD: &str = "# nothing but a comment\n---   # and here\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: odd\n  \
labels: &labels {odd: \"yes\"}\n  annotations:\n    <<: *labels\n    mode:\t'x'\ndata: {\n\tcompact: \"1\"\n}\n---\r\n\
apiVersion: v1\r\nkind: ConfigMap\r\nmetadata:\r\n  name: text\r\nimmutable: no\r\ndata:\r\n  text: |\r\n    a\r\n    ---\r\n    b\r\n\
---\napiVersion: v1\nkind: ConfigMapList\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: listed}\n  data: {a: b}\n---\n\n";

/// The test's chart with odd documents beside, and a Service that gives its labels twice.
fn odd_chart(dir: &Path) -> String {
    let chart = dir.join("chart");
    let copied = Command::new("cp").arg("-r").arg(paths::chart()).arg(&chart).status();
    assert!(copied.expect("cp runs").success());
    std::fs::write(chart.join("templates/odd.yaml"), ODD).expect("the copy is writable");
    let service = chart.join("templates/service.yaml");
    let text = std::fs::read_to_string(&service).expect("the chart has a Service");
    let twice = text.replace("  labels:\n", "  labels: {first: \"1\"}\n  labels:\n");
    assert_ne!(twice, text, "the Service has labels");
    std::fs::write(service, twice).expect("the copy is writable");
    chart.to_string_lossy().into_owned()
}

on_both_helms!(what_helm_installs_can_be_planned_and_rolled_back, |major| {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let chart = odd_chart(dir.path());
    let model = Model {
        namespace: Namespace::create(Testbed::shared(), "odd"),
        major,
    };
    let set = ["--set", RECREATE, "--set"];
    let good = [
        &["install", RELEASE, &chart, "--wait", "--timeout=120s"],
        &set[..],
        &["revisionLabel=1"],
    ]
    .concat();
    model.helm().run(&good);
    let bad = [
        &["upgrade", RELEASE, &chart, "--set", CRASH],
        &set[..],
        &["revisionLabel=2"],
    ]
    .concat();
    model.helm().run(&bad);
    model.tool().run(&["plan", RELEASE]).expect_code(0);
    assert_restored(&model.rollback(&[]).expect_code(0).report(), 1);
    model.assert_serves(1);
    model.tool().run(&["validate", RELEASE]).expect_code(0);
});
